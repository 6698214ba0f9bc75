// The metrics of subquad/attention_metrics.h on every block of a forward, averaged over pictures.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vit/model.h"

namespace subquad::vit {

// One block: sums over `images` pictures.
struct BlockMetrics {
  std::int64_t images = 0;
  double token_similarity = 0;    // of the block's output tokens, the class token included
  double residual_attention = 0;  // |attention branch| / |its input x|
  double residual_mlp = 0;
  std::vector<double> weight_std, nonlocality, class_weight;  // a head each; distances in patches
};

// How many keys a spec keeps for a row: 0 for exact, k for topk(k=..) alone, -1 for every other
// method, whose softmax weights are not given by its kept keys.
std::int64_t kept_keys(std::string_view spec);

class NetworkMetrics {
 public:
  // `attention` as in ForwardOptions, not empty.
  NetworkMetrics(std::vector<AttentionChoice> attention, int threads);

  // For ForwardOptions::observe.
  void observe(const BranchView& view);
  // Means over pictures; weights are empty where kept_keys() is -1.
  std::vector<BlockMetrics> means() const;

 private:
  void add_weights(const BranchView& view, BlockMetrics& block) const;

  std::vector<AttentionChoice> attention_;
  int threads_;
  std::vector<BlockMetrics> sums_;
};

}  // namespace subquad::vit
