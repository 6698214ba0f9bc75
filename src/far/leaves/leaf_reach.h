// How much a leaf can weigh beyond what its mean says: the opening rule of the leaves.
//
// source: ours (docs/theory/causal_far_field.md). A row of weight w = leaf 2^(q . mean) / l misses
// about w (2^(3 s) - 1) |v - v_chunk| with s the standard deviation of the leaf's scores,
// s^2 = sum of mean(q_d^2) var_d: three of them cover the single sharp keys that a mean hides.
// mean(q_d^2) is over the queries that stand at the leaf's chunk, so that nothing looks ahead.
// cost: D multiply-adds a leaf and query head, and a pass over the queries.
#pragma once

#include <cstdint>

#include "core/memory.h"
#include "far/leaves/leaf_index.h"
#include "rows/head_problem.h"

namespace subquad {

class LeafReach {
 public:
  LeafReach(const HeadProblem& head, const LeafIndex& index, int threads);

  // For each leaf log2 of all of the above but 2^(q . mean) / l, for query head `member` of the
  // group; +inf where the leaf holds one of the first keys. Whole vectors may be read.
  const float* of(std::int64_t member) const { return reach_.data() + member * stride_; }
  float log2_size() const { return log2_size_; }

 private:
  void fill(const LeafIndex& index, std::int64_t chunk, const float* squares, float* reach) const;

  std::int64_t stride_;
  float log2_size_;
  Scratch<float> reach_;  // [member][leaf]
};

}  // namespace subquad
