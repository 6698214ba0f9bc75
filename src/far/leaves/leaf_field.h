// The sums of a block of rows over the leaves of finished chunks: opened leaves key by key for the
// rows that open them, all others as one pseudo key each.
//
// source: ours (docs/theory/causal_far_field.md); opening by an acceptance criterion is that of
// treecodes (Barnes and Hut 1986).
// cost: leaves (D + Dv) multiply-adds a row, and leaf (D + Dv) for each leaf that it opens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "far/leaves/leaf_index.h"
#include "far/leaves/leaf_opening.h"
#include "far/leaves/leaf_reach.h"
#include "rows/attend_run.h"
#include "rows/row_block.h"
#include "rows/score_filter.h"

namespace subquad {

class LeafField {
 public:
  // One thread's memory. The references must outlive it.
  LeafField(const HeadProblem& head, const LeafIndex& index, const LeafReach& reach);

  // Adds the sums over the leaves of `prefix` chunks to rows that hold their other sums, less the
  // entries of `heavy`. limits: as in LeafOpening::start(). apart: by row of the head, not 0 where
  // it has met all keys already; empty: none has.
  void add(RowBlock& rows, std::int64_t prefix, std::span<const float> limits,
           const EntrySets& heavy, ScorePanel& panel, std::span<const std::uint8_t> apart = {});
  // log2 of what the rows of the last add() had summed before.
  std::span<const float> log2_sums() const { return log2_sums_; }

 private:
  void close_rows(RowBlock& rows, const Range& part, ScorePanel& panel);
  void attend_whole(RowBlock& rows, std::int64_t leaves, const EntrySets& heavy, ScorePanel& panel);
  void attend_leaves(RowBlock& rows, const Range& leaves, std::span<const std::int32_t> members,
                     const EntrySets& heavy, ScorePanel& panel);
  void put_back(std::span<const std::int32_t> members, const Partial& sums);
  void gather(const RowBlock& rows, std::span<const std::int32_t> members, const Partial& sums);

  const HeadProblem& head_;
  const LeafIndex& index_;
  LeafOpening opening_;
  std::int64_t together_;  // leaves that rows meet in one step
  std::int64_t leaf_stride_;
  Scratch<float> queries_, leaf_scores_;
  std::vector<std::int32_t> row_ids_;
  std::vector<float> log2_sums_;
  PartialBuffer gathered_;
};

}  // namespace subquad
