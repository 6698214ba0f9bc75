// The inner step of every method: a block of rows meets a tile of keys.
#pragma once

#include <cstdint>

#include "core/head_problem.h"
#include "core/memory.h"
#include "exact/key_tile.h"
#include "exact/row_block.h"
#include "exact/score_filter.h"

namespace subquad {

// Up to this many rows attend_streamed may take; beyond, packing pays.
constexpr std::int64_t kMaxStreamedRows = 8;

// Scores of one register block of rows; one a thread.
class ScorePanel {
 public:
  explicit ScorePanel(std::int64_t max_keys);
  float* data() { return scores_.data(); }
  std::int64_t stride() const { return stride_; }
  FilterScratch& filter() { return filter_; }
  std::vector<std::uint8_t>& seen() { return seen_; }
  // Score entries evaluated through this panel so far.
  std::int64_t entries() const { return entries_; }
  void count_entries(std::int64_t entries) { entries_ += entries; }

 private:
  std::int64_t stride_;
  Scratch<float> scores_;
  FilterScratch filter_;
  std::vector<std::uint8_t> seen_;
  std::int64_t entries_ = 0;
};

// Merges the tile into the rows' sums: scores by gemm, masks, online softmax, weighted values by
// gemm. Entries in `taken` are left out. 2 * rows * keys * (head_dim + value_dim) flops.
void attend_tile(const HeadProblem& head, RowBlock& rows, const KeyTile& tile,
                 const EntrySets& taken, ScorePanel& panel);

// Masked base-2 logits of rows [begin, begin + count) of the block over the tile's columns, into
// the panel: -inf where hidden or in `taken`. At most kernels::blocking().rows rows; columns.begin
// must be a multiple of the panel width.
void score_rows(const HeadProblem& head, const RowBlock& rows, std::int64_t begin,
                std::int64_t count, const KeyTile& tile, const Range& columns,
                const EntrySets& taken, ScorePanel& panel);

// As attend_tile for few rows, reading keys [keys.begin, keys.end) where they lie: bound by memory,
// not by arithmetic, and nothing is packed. Returns false, with the sums unchanged, if a value is
// Inf or NaN: pack the tile then (see RowPanels::wild).
bool attend_streamed(const HeadProblem& head, RowBlock& rows, const IndexList& keys,
                     ScorePanel& panel);

}  // namespace subquad
