// A block of query rows on tiles of bf16: the exact sums of its rows over a packed head.
//
// Panels of 32 rows meet steps of 64 keys. A row's reference exponent m is a whole number above its
// largest score so far; it rises, lazily, when a weight would reach 2. Weights are rounded to bf16,
// and their sum is that of the rounded ones, so that rounding does not bias the division: an output
// is off by at most 2 kWeightError * largest |V|, log l by kWeightError.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "kernels/tiles/tile_engine.h"
#include "rows/packed_tiles.h"
#include "rows/partial.h"
#include "rows/score_filter.h"

namespace subquad {

class TileBlock {
 public:
  TileBlock(const kernels::TileEngine& engine, std::int64_t head_dim, std::int64_t value_dim,
            std::int64_t capacity);

  // Sums of rows [rows.begin, rows.end) over the keys in a range that begins and ends with a step
  // or with the head. m = NaN: a row that the tiles cannot do (PackedTiles), to be done in f32. The
  // sums live until the next call.
  Partial attend(const PackedTiles& packed, const Range& rows, const Range& keys);

  // Score entries evaluated so far.
  std::int64_t entries() const { return entries_; }

 private:
  struct Panel {
    Range rows;    // of the head
    Range seen;    // keys that any of them may see
    Range inside;  // keys that each of them sees
    int side = 0;  // which copy of its sums of weights counts
  };

  void load(const PackedTiles& packed, const Range& rows);
  void load_row(const PackedTiles& packed, std::int64_t row, std::int64_t position);
  void add_panel(const HeadProblem& head, const Range& rows);
  void attend_panel(const PackedTiles& packed, std::int64_t index, const Range& keys);
  void weigh(const PackedTiles& packed, std::int64_t index, std::int64_t key);
  void multiply_pending(const PackedTiles& packed, std::int64_t index);
  void hide(const HeadProblem& head, std::int64_t index, std::int64_t key);
  void check_scores(std::int64_t position, float* scores);
  bool weigh_step(std::int64_t index);
  void raise(std::int64_t index);
  void raise_row(std::int64_t position, float score);
  void finish(std::int64_t rows);

  float* sums(std::int64_t index, int side) {
    return sums_[side].data() + index * kernels::kPanelRows * kernels::kSumLanes;
  }

  const kernels::TileEngine& engine_;
  std::int64_t depth_, columns_, most_pending_, block_keys_;
  Scratch<kernels::Tile> queries_, weights_;
  Scratch<float> scores_, offsets_, sums_[2];
  PartialBuffer out_;
  Partial partial_;
  std::vector<Panel> panels_;
  std::vector<std::uint8_t> refused_,
      low_;           // rows for f32; rows with a finite score below the limit
  float factor_ = 0;  // from a score to units
  std::int64_t pending_ = 0, pending_key_ = 0;  // half steps of weights that wait, from this key
  FilterScratch filter_;
  std::int64_t entries_ = 0;
};

}  // namespace subquad
