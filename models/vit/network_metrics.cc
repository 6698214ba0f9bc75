#include "vit/network_metrics.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/elementwise.h"
#include "parts/spec.h"
#include "subquad/attention_metrics.h"

namespace subquad::vit {
namespace {

// x + f(x), dense.
std::vector<float> output_of(const BranchView& view) {
  const std::int64_t rows = view.main.length(), width = view.main.channels();
  std::vector<float> sum(static_cast<std::size_t>(rows * width));
  for (std::int64_t r = 0; r < rows; ++r) {
    float* out = sum.data() + r * width;
    std::copy_n(static_cast<const float*>(view.main.data) + view.main.offset(0, 0, r), width, out);
    kernels::add(static_cast<const float*>(view.added.data) + view.added.offset(0, 0, r), width,
                 out);
  }
  return sum;
}

void divide(std::vector<double>& values, double by) {
  for (double& value : values) value /= by;
}

}  // namespace

std::int64_t kept_keys(std::string_view spec) {
  const std::vector<SpecPart> parts = parse_spec(spec);
  if (parts.size() != 1) return -1;
  if (parts[0].name == "exact") return 0;
  const bool is_topk = parts[0].name == "topk" || parts[0].name == "knn";
  if (!is_topk || parts[0].arguments.size() != 1) return -1;
  return SpecReader(parts[0]).required_integer("k", 1, std::int64_t{1} << 40);
}

NetworkMetrics::NetworkMetrics(std::vector<AttentionChoice> attention, int threads)
    : attention_(std::move(attention)), threads_(threads), sums_(attention_.size()) {}

void NetworkMetrics::add_weights(const BranchView& view, BlockMetrics& block) const {
  const std::int64_t keep = kept_keys(attention_[static_cast<std::size_t>(view.block)].spec);
  if (keep < 0) return;
  const auto side = std::llround(std::sqrt(static_cast<double>(view.main.length() - 1)));
  const std::vector<Position> positions = grid_positions(side, side);
  const auto heads = attention_statistics(view.attention, {keep, positions, 1, threads_});
  block.weight_std.resize(heads.size());
  block.nonlocality.resize(heads.size());
  block.class_weight.resize(heads.size());
  for (std::size_t h = 0; h < heads.size(); ++h) {
    block.weight_std[h] += heads[h].weight_std;
    block.nonlocality[h] += heads[h].nonlocality;
    block.class_weight[h] += heads[h].leading_weight;
  }
}

void NetworkMetrics::observe(const BranchView& view) {
  BlockMetrics& block = sums_[static_cast<std::size_t>(view.block)];
  const double ratio = residual_ratio(view.added, view.main).front();
  if (view.branch == Branch::attention) {
    block.residual_attention += ratio;
    return add_weights(view, block);
  }
  const std::vector<float> output = output_of(view);
  const TensorView tokens = dense_view(output.data(), DType::f32, view.main.shape);
  block.residual_mlp += ratio;
  block.token_similarity += token_similarity(tokens).front();
  ++block.images;
}

std::vector<BlockMetrics> NetworkMetrics::means() const {
  std::vector<BlockMetrics> means = sums_;
  for (BlockMetrics& block : means) {
    const auto images = static_cast<double>(block.images);
    block.token_similarity /= images;
    block.residual_attention /= images;
    block.residual_mlp /= images;
    for (auto* list : {&block.weight_std, &block.nonlocality, &block.class_weight})
      divide(*list, images);
  }
  return means;
}

}  // namespace subquad::vit
