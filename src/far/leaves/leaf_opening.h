// Which leaves each row of a block opens, and the scores of those that it leaves closed: forward
// and backward alike.
//
// source: ours (docs/theory/causal_far_field.md). A row opens the leaves that may hold more than it
// can leave out, and those of which heavy sets hold entries. It decides by itself, from what it has
// summed before: no other row has a say.
// cost: 2 leaves D multiply-adds a row.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "far/leaves/leaf_index.h"
#include "far/leaves/leaf_reach.h"
#include "rows/partial.h"
#include "rows/score_filter.h"

namespace subquad {

// A row of a block and a leaf that it opens.
struct OpenedLeaf {
  std::int32_t leaf, row;
};

// log2 of a row's sum of weights; -inf: it has met nothing.
float log2_sum(const Partial& sums, std::int64_t row);

// In place of that: the row has met all keys and no leaf.
constexpr float kApart = std::numeric_limits<float>::infinity();

// Some rows of a block that have met all but the leaves.
struct OpeningRows {
  IndexList rows;  // of the head
  const float* queries;
  std::int64_t query_stride;
  const float* log2_sums;
};

class LeafOpening {
 public:
  static constexpr std::int64_t kRows = 48;  // that share a pass over the pseudo keys

  // One thread's memory. The references must outlive it.
  LeafOpening(const HeadProblem& head, const LeafIndex& index, const LeafReach& reach);

  // A new block, whose rows meet the first `leaves` leaves. limits: of each query head of the
  // group, log2 of how much of its sum of weights, times a value's distance, a closed leaf may
  // miss; -inf opens all. All of it must live until the last open().
  void start(std::int64_t leaves, std::span<const float> limits, const EntrySets& heavy);
  // Rows first, first + 1, .. of the block, at most kRows. scores() are theirs until the next call.
  void open(const OpeningRows& rows, std::int64_t first, FilterScratch& scratch);
  // Once all rows have been through: valid until start().
  void sort_by_leaf();

  // log2 of the weights of the closed leaves, -inf for all others; rows a stride apart.
  float* scores() { return scores_.data(); }
  std::int64_t stride() const { return stride_; }
  std::int64_t leaves() const { return leaves_; }
  // Rows of the block, in the order they came: those that open the leaf, those that open all (they
  // are in no leaf's list).
  std::span<const std::int32_t> rows_of(std::int64_t leaf) const {
    const auto at = static_cast<std::size_t>(leaf);
    return std::span(sorted_).subspan(static_cast<std::size_t>(begin_[at]),
                                      static_cast<std::size_t>(begin_[at + 1] - begin_[at]));
  }
  std::span<const std::int32_t> whole() const { return whole_; }

 private:
  void choose_row(std::int32_t row, float limit, float log2_sum, const float* reach, float* scores);
  void open_held(const IndexList& rows, std::int64_t first, FilterScratch& scratch);
  void force_open(std::int64_t first, std::int64_t chunk, std::int64_t rows);

  const HeadProblem& head_;
  const LeafIndex& index_;
  const LeafReach& reach_;
  std::int64_t stride_, leaves_ = 0;
  std::span<const float> limits_;
  const EntrySets* heavy_ = nullptr;
  Scratch<float> scores_, reaches_, squares_, marks_;
  std::vector<std::int32_t> columns_;
  std::vector<OpenedLeaf> opened_;
  std::vector<std::int32_t> sorted_;  // rows of opened_, by leaf
  std::vector<std::int32_t> whole_;
  std::vector<std::int64_t> begin_;  // of each leaf in sorted_
};

}  // namespace subquad
