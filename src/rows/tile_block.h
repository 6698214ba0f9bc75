// A block of query rows on tiles of bf16: the exact sums of its rows over packed keys.
//
// Panels of 32 rows meet steps of 64 keys. A row's reference exponent m is a whole number above its
// largest score so far; it rises, lazily, when a weight would reach 2. Weights are rounded to bf16,
// and their sum is that of the rounded ones, so that rounding does not bias the division: an output
// is off by at most 2 kWeightError * largest |V|, log l by kWeightError. f32 numbers split into
// bf16 pieces: SplitError has the bound.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "kernels/tiles/tile_engine.h"
#include "rows/partial.h"
#include "rows/row_block.h"
#include "rows/score_filter.h"
#include "rows/split_error.h"
#include "rows/split_rows.h"
#include "rows/tile_rows.h"
#include "rows/tiled_keys.h"

namespace subquad {

class TileBlock {
 public:
  // order: the highest that attend() is asked for.
  TileBlock(const kernels::TileEngine& engine, std::int64_t head_dim, std::int64_t value_dim,
            std::int64_t capacity, int order = 0);

  // Sums of the rows, at most `capacity`, over the places in a range that begins with a step and
  // ends with one or with the list, less the entries in `left_out`. m = NaN: a row that the tiles
  // cannot do, to be done in f32. `wanted`: without values, o is zero. The sums live until the next
  // call.
  Partial attend(const TiledKeys& tiles, const IndexList& rows, const Range& places,
                 const EntrySets& left_out = {}, Sums wanted = Sums::both) {
    return attend(tiles, rows, places, {}, left_out, wanted);
  }
  // Likewise of keys that are split for `order` or a higher one, with queries of any type; rows
  // beyond its tolerance count as those that the tiles cannot do.
  Partial attend(const TiledKeys& tiles, const IndexList& rows, const Range& places,
                 const SplitOrder& order, const EntrySets& left_out, Sums wanted);
  // Bound on the error of a row of the last call that was split.
  RowError error(std::int64_t row) const { return error_.of(row); }

  // Score entries evaluated so far.
  std::int64_t entries() const { return entries_; }

 private:
  struct Panel {
    IndexList rows;
    PanelPlaces places;
    int side = 0;  // which copy of its sums of weights counts
  };

  void load(const IndexList& rows, const EntrySets& left_out);
  void load_units();
  void load_products();
  void load_row(std::int64_t row, std::int64_t position);
  void split_row(std::int64_t row, std::int64_t position);
  void refuse_inexact(std::int64_t index);
  bool all_refused(std::int64_t index) const;
  void score(std::int64_t index, std::int64_t place);
  void note_norms(std::int64_t index, std::int64_t place, bool hidden);
  void attend_panel(std::int64_t index, const Range& places);
  void weigh(std::int64_t index, std::int64_t place);
  void multiply_pending(std::int64_t index);
  void hide(std::int64_t index, std::int64_t place);
  void refuse_wild(std::int64_t index, std::int64_t place);
  void check_scores(std::int64_t position, float* scores);
  bool weigh_step(std::int64_t index);
  float offset_of(float m) const;
  void raise(std::int64_t index);
  void raise_row(std::int64_t position, float score);
  void finish(std::int64_t rows);

  float* sums(std::int64_t index, int side) {
    return sums_[side].data() + index * kernels::kPanelRows * kernels::kSumLanes;
  }

  std::int64_t query_pieces() const { return score_products_.left; }

  const kernels::TileEngine& engine_;
  SplitOrder order_;
  SplitError error_;
  SplitRows split_query_;
  kernels::PieceProducts score_products_ = kernels::piece_products(1, 1, 0), value_products_ = {};
  TiledKeys tiles_;
  const EntrySets* left_out_ = nullptr;
  Sums wanted_ = Sums::both;
  bool logits_ = false;  // hidden scores are base-2 logits: what is added to them is
  std::int64_t depth_, columns_, most_pending_, block_keys_;
  Scratch<kernels::Tile> queries_, weights_;
  Scratch<float> scores_, offsets_, sums_[2];
  PartialBuffer out_;
  Partial partial_;
  std::vector<Panel> panels_;
  std::vector<std::uint8_t> refused_,
      low_;                          // rows for f32; rows with a finite score below the limit
  float octave_ = kernels::kOctave;  // in the weights' units
  float factor_ = 0;                 // from a score to units
  std::int64_t pending_ = 0, pending_place_ = 0;  // half steps of weights that wait, from there
  FilterScratch filter_;
  std::int64_t entries_ = 0;
};

}  // namespace subquad
