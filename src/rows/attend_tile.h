// The inner step of every method: a block of rows meets a tile of keys.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "core/memory.h"
#include "rows/key_tile.h"
#include "rows/row_block.h"
#include "rows/score_filter.h"

namespace subquad {

class TileSkips;

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
  // Of attend_tile(): rows drop tiles whose weights are small; nullptr: none does. Not owned.
  TileSkips* skips() const { return skips_; }
  void set_skips(TileSkips* skips) { skips_ = skips; }
  // Score entries evaluated through this panel so far.
  std::int64_t entries() const { return entries_; }
  void count_entries(std::int64_t entries) { entries_ += entries; }

 private:
  std::int64_t stride_;
  Scratch<float> scores_;
  FilterScratch filter_;
  std::vector<std::uint8_t> seen_;
  TileSkips* skips_ = nullptr;
  std::int64_t entries_ = 0;
};

// Merges the tile into the sums of rows `part` of the block: scores by gemm, masks, online softmax,
// weighted values by gemm. Entries in `left_out` do not count. 2 * rows * keys * (head_dim +
// value_dim) flops.
void attend_tile(const HeadProblem& head, RowBlock& rows, const Range& part, const KeyTile& tile,
                 const EntrySets& left_out, ScorePanel& panel);

// The columns of the tile that rows `part` of the block may see and `left_out` leaves something of,
// begun at a multiple of the panel width.
Range tile_columns(const HeadProblem& head, const IndexList& rows, const Range& part,
                   const IndexList& keys, const EntrySets& left_out);

// Masked base-2 logits of rows `part` of the block over the tile's columns, into the panel: -inf
// where hidden or in `left_out`, no higher than rows.limits(). At most 2 * kernels::blocking().rows
// rows; columns.begin must be a multiple of the panel width.
void score_rows(const HeadProblem& head, const RowBlock& rows, const Range& part,
                const KeyTile& tile, const Range& columns, const EntrySets& left_out,
                ScorePanel& panel);

// As attend_tile for few rows, reading the keys where they lie: bound by memory, not by arithmetic,
// and nothing is packed. `bias` as in KeyTile.
void attend_streamed(const HeadProblem& head, RowBlock& rows, const Range& part,
                     const IndexList& keys, const float* bias, const EntrySets& left_out,
                     ScorePanel& panel);

// The rows with an Inf or NaN, and kernels::stream_values() of all others: the same bits as if
// those had weight 0.
std::vector<std::int64_t> wild_rows(const kernels::RowSource& source);
void stream_around(const float* weights, std::int64_t stride, std::int64_t rows,
                   const kernels::RowSource& source, const std::vector<std::int64_t>& wild,
                   float* o, std::int64_t o_stride);

}  // namespace subquad
