// The keys of a block of causal rows, in chunks: what the rows beside a chunk read of it, and the
// sums of those before it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
#include "kernels/gemm.h"
#include "light/linear/linear_features.h"

namespace subquad {

// Rows of a group that are worked on together: all see keys [0, keys.begin), and each some of
// `keys`. The next span's prefix ends at keys.end.
struct LinearSpan {
  Range rows;
  Range keys;
};
// `positions`: of the rows of a causal span.
std::vector<LinearSpan> cut_spans(const HeadProblem& head, const IndexList& rows,
                                  std::int64_t positions);

// Positions of a chunk, forward. Long: more entries beside the diagonal. Short: more sums.
std::int64_t chunk_positions(const HeadProblem& head);

// One thread's memory. For each key D (Dv + 1) multiply-adds and O(D + Dv), for each chunk
// 2 D (Dv + 1) additions.
class LinearChunks {
 public:
  // `rows`: of the largest block.
  LinearChunks(const HeadProblem& head, FeatureMap map, std::int64_t rows);

  // One chunk a span: its keys, at most chunk_positions() of them, follow those of the span before.
  void load(std::span<const LinearSpan> spans);
  // Over all chunks, in f32, in their order.
  const float* total() const { return before(std::ssize(spans_)); }
  // The sums of the keys before the block join those before the chunk; once each.
  void add_prefix(std::int64_t chunk, const float* sums);

  const Range& keys(std::int64_t chunk) const {
    return spans_[static_cast<std::size_t>(chunk)].keys;
  }
  // Sums over the keys before the chunk; the rows of its values follow, `stride` apart.
  const float* before(std::int64_t chunk) const { return before_.data() + chunk * step_; }
  // B of phi(Q) phi(K)^T.
  kernels::RightMatrix features(std::int64_t chunk) const;
  // The chunk's keys whose value has an Inf or NaN, from its first one on: zero among the values
  // here, for whoever multiplies to add to the rows that see them.
  const std::vector<std::int64_t>& wild(std::int64_t chunk) const {
    return wild_[static_cast<std::size_t>(chunk)];
  }
  void load_value(std::int64_t chunk, std::int64_t key, float* out) const;

 private:
  void load_chunk(std::int64_t chunk);
  void isolate_wild_values(std::int64_t chunk, float* values);
  IndexList listed(std::int64_t chunk) const {
    return index_range(keys(chunk).begin, keys(chunk).end);
  }

  const HeadProblem& head_;
  FeatureMap map_;
  SumLayout layout_;
  std::int64_t panel_, packed_size_, step_;
  std::vector<LinearSpan> spans_;
  std::vector<std::vector<std::int64_t>> wild_;
  Scratch<float> features_, packed_, before_;
};

}  // namespace subquad
