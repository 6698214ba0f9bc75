// How much a leaf can weigh beyond what its mean says: the opening rule of the leaves.
//
// source: ours (docs/theory/causal_far_field.md). A row of weight w = leaf 2^(q . mean) / l misses
// about w (2^(3 s) - 1) |v - v_chunk|, where s^2 = sum_d q_d^2 (mean square of key_d - mean_d) is
// the row's own variance of the leaf's scores, were the channels uncorrelated. A leaf's reach needs
// nothing but its keys and values, and the row.
// cost: D multiply-adds a row and leaf, an exponential and a logarithm.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "far/leaves/leaf_index.h"

namespace subquad {

// Rows of scaled queries, in base-2 units.
struct ReachingRows {
  const float* queries;
  std::int64_t stride, count;
};

class LeafReach {
 public:
  LeafReach(const LeafIndex& index, int threads);

  // For each row and each of the first `leaves` leaves, log2 of all of the above but
  // 2^(q . mean) / l; +inf where the leaf holds one of the first keys. Rows of `reach` are
  // `reach_stride` apart, whole vectors may be written. `squares`: memory for count x D floats.
  void measure(const ReachingRows& rows, std::int64_t leaves, float* squares, float* reach,
               std::int64_t reach_stride) const;
  float log2_size() const { return log2_size_; }

 private:
  std::int64_t head_dim_;
  float log2_size_;
  Scratch<float> packed_variances_;  // of all leaves, as columns
  std::vector<float> base_;          // log2 of leaf |v - v_chunk|
};

}  // namespace subquad
