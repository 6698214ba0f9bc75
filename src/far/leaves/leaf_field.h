// The sums of a block of rows over the leaves of finished chunks: opened leaves key by key for the
// rows that open them, all others as one pseudo key each.
//
// source: ours (docs/theory/causal_far_field.md); opening by an acceptance criterion is that of
// treecodes (Barnes and Hut 1986). A row decides by itself: no other row has a say.
// cost: leaves (D + Dv) multiply-adds a row, and leaf (D + Dv) for each leaf that it opens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "far/leaves/leaf_index.h"
#include "far/leaves/leaf_reach.h"
#include "rows/attend_run.h"
#include "rows/row_block.h"
#include "rows/score_filter.h"

namespace subquad {

// A row of a block and a leaf that it opens.
struct OpenedLeaf {
  std::int32_t leaf, row;
};

class LeafField {
 public:
  // One thread's memory. The references must outlive it.
  LeafField(const HeadProblem& head, const LeafIndex& index, const LeafReach& reach);

  // Adds the sums over the leaves of `prefix` chunks to rows that hold their other sums, less the
  // entries of `heavy`. limits: of each query head of the group, log2 of how much of its sum of
  // weights, times a value's distance, a closed leaf may miss; -inf opens all.
  void add(RowBlock& rows, std::int64_t prefix, std::span<const float> limits,
           const EntrySets& heavy, ScorePanel& panel);

 private:
  void close_rows(RowBlock& rows, const Range& part, std::int64_t leaves,
                  std::span<const float> limits, const EntrySets& heavy, ScorePanel& panel);
  void choose_row(const Partial& sums, std::int64_t row, std::int64_t leaves, float limit,
                  const float* reach, float* scores);
  void open_held(const IndexList& rows, std::int64_t first, std::int64_t leaves,
                 const EntrySets& heavy, FilterScratch& scratch);
  void force_open(std::int64_t first, std::int64_t chunk, std::int64_t rows);
  void sort_by_leaf(std::int64_t leaves);
  void attend_whole(RowBlock& rows, std::int64_t leaves, const EntrySets& heavy, ScorePanel& panel);
  void attend_leaves(RowBlock& rows, const Range& leaves, std::span<const std::int32_t> members,
                     const EntrySets& heavy, ScorePanel& panel);
  void put_back(std::span<const std::int32_t> members, const Partial& sums);
  void gather(const RowBlock& rows, std::span<const std::int32_t> members, const Partial& sums);

  const HeadProblem& head_;
  const LeafIndex& index_;
  const LeafReach& reach_;
  std::int64_t together_;  // leaves that rows meet in one step
  std::int64_t stride_, leaf_stride_;
  Scratch<float> scores_, marks_, queries_, leaf_scores_;
  std::vector<std::int32_t> columns_, row_ids_;
  std::vector<OpenedLeaf> opened_;
  std::vector<std::int32_t> sorted_;  // rows of opened_, by leaf
  std::vector<std::int32_t> whole_;   // rows that open everything
  std::vector<std::int64_t> begin_;   // of each leaf in sorted_
  PartialBuffer gathered_;
};

}  // namespace subquad
