// Small leaves of keys that lie close together, built chunk by chunk: what a treecode opens.
//
// source: ours (docs/theory/causal_far_field.md). The keys of a chunk are sorted by a PCA tree
// (index/cluster_tree.h) in coordinates scaled by the root mean square of the queries at the same
// positions; a leaf is `leaf` neighbours in that order. A chunk depends on nothing behind it.
// cost: n (2 D + log) a level of the tree; (2 D + 2 Dv) floats a key and as many a leaf.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "core/memory.h"
#include "core/rng.h"
#include "kernels/gemm.h"
#include "rows/head_problem.h"

namespace subquad {

struct LeafShape {
  std::int64_t leaf = 32;    // keys
  std::int64_t chunk = 512;  // keys, a multiple of leaf
};

// Floats from one row of scores to the next: whole vectors, and some to keep rows out of each
// other's cache sets.
constexpr std::int64_t score_stride(std::int64_t columns) { return (columns + 15) / 16 * 16 + 16; }

// The positions of the queries that stand at these keys.
Range positions_at(const HeadProblem& head, const Range& keys);

class LeafIndex {
 public:
  static constexpr std::int32_t kSinks = 4;

  // Of the first `chunks` whole chunks of the head's keys.
  LeafIndex(const HeadProblem& head, const LeafShape& shape, std::int64_t chunks, const Rng& rng,
            int threads);

  // How many chunks there are before the first with a key or value that is not finite, or beyond
  // 2^56 (rows/overflows.h); nothing of that one and those behind it may be used.
  std::int64_t chunks() const { return chunks_; }
  const LeafShape& shape() const { return shape_; }
  std::int64_t leaves_in(std::int64_t chunks) const { return chunks * shape_.chunk / shape_.leaf; }
  // Leaves of all chunks, usable or not.
  std::int64_t size() const { return leaves_; }
  std::int64_t head_dim() const { return head_dim_; }
  // Leaves that follow each other in memory are one block of columns.
  bool is_seamless() const { return columns_ == shape_.leaf; }

  IndexList members(std::int64_t leaf) const {
    return {ids_.data() + leaf * shape_.leaf, 0, shape_.leaf, false};
  }
  // The leaf's keys as columns, and its values as rows.
  kernels::RightMatrix keys(std::int64_t leaf) const {
    return {keys_.data() + leaf * columns_ * head_dim_, panel_ * head_dim_, panel_};
  }
  kernels::RightMatrix values(std::int64_t leaf) const {
    return {values_.data() + leaf * shape_.leaf * value_stride_, panel_, value_stride_};
  }
  // The means of all leaves: keys as columns, values as rows.
  kernels::RightMatrix mean_keys() const {
    return {packed_means_.data(), panel_ * head_dim_, panel_};
  }
  kernels::RightMatrix mean_values() const { return {mean_values_.data(), panel_, value_stride_}; }
  std::int64_t value_stride() const { return value_stride_; }
  const float* mean_value(std::int64_t leaf) const {
    return mean_values_.data() + leaf * value_stride_;
  }
  const float* mean_key(std::int64_t leaf) const { return means_.data() + leaf * head_dim_; }
  // Whether one of the head's first keys is in it, which take large shares of many rows (attention
  // sinks): always opened.
  bool holds_sink(std::int64_t leaf) const {
    const IndexList keys = members(leaf);
    return leaf < leaves_in(1) && *std::min_element(keys.ids, keys.ids + keys.count) < kSinks;
  }
  // The root mean square distance of the leaf's values from those of its chunk.
  float value_distance(std::int64_t leaf) const {
    return value_distance_[static_cast<std::size_t>(leaf)];
  }

 private:
  void sort_chunk(const HeadProblem& head, std::int64_t chunk, const Rng& rng);
  bool pack_chunk(const HeadProblem& head, std::int64_t chunk);
  void summarize_chunk(const HeadProblem& head, std::int64_t chunk);
  void summarize_leaf(std::int64_t leaf, const float* keys, const float* center);

  LeafShape shape_;
  std::int64_t chunks_, leaves_, head_dim_, value_dim_, value_stride_, panel_;
  std::int64_t columns_;  // a leaf's keys, rounded up to whole panels
  std::vector<std::int32_t> ids_;
  Scratch<float> keys_, values_, means_, packed_means_, mean_values_;
  std::vector<float> value_distance_;
};

}  // namespace subquad
