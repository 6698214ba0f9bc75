// How much a leaf can weigh beyond what its mean says: the opening rule of the leaves.
//
// source: ours (docs/theory/causal_far_field.md). A row of weight w = leaf 2^(q . mean) / l misses
// about w (2^(2.5 s) - 1) |v - v_chunk|, where s^2 is the largest over the leaf's keys of
// sum_d mean(q_d^2) (key_d - mean_d)^2: the deviation of the score of the key that lies farthest
// out, so that single sharp keys count. mean(q_d^2) is over the queries that stand at the leaf's
// chunk: nothing looks ahead.
// cost: D multiply-adds a key and query head, and a pass over the queries.
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
