// Packs rows of bf16 into tiles.
#pragma once

#include <cstdint>

#include "kernels/pack.h"
#include "kernels/tiles/tile_engine.h"

namespace subquad::kernels {

constexpr std::int64_t tiles_along(std::int64_t channels) {
  return (channels + kTileDepth - 1) / kTileDepth;
}

// Sum of a row's magnitudes.
float sum_of_magnitudes(const std::uint16_t* row, std::int64_t width);

// One row of a tile row of queries: channel 32 t + c at out[t].bits[32 r + c], zero beyond `width`.
void pack_query_row(const std::uint16_t* row, std::int64_t width, std::int64_t r, Tile* out);

// One column of a tile column of keys: channels 32 t + 2 i, + 1 in row i of out[t].
void pack_key_column(const std::uint16_t* row, std::int64_t width, std::int64_t c, Tile* out);

// Two tile columns of keys, `stride` tiles apart: 32 rows, each nullptr or of `width` channels.
void pack_key_columns(const std::uint16_t* const* rows, std::int64_t width, Tile* out,
                      std::int64_t stride);

// A half step of values: 32 rows; row k of the source is nullptr or has `width` channels. Tile t of
// `columns` holds channels [16 t, 16 t + 16). Keys stand in the order that weights come in.
void pack_values(const std::uint16_t* const* rows, std::int64_t width, std::int64_t columns,
                 Tile* out);

// The same for sums over rows or keys in their own order.
void pack_pairs(const std::uint16_t* const* rows, std::int64_t width, std::int64_t columns,
                Tile* out);

// Left tiles of a panel of rows, transposed: row c of tile t, `stride` tiles apart, holds channel
// 16 t + c of the 32 rows; rows as in pack_values().
void pack_transposed_rows(const std::uint16_t* const* rows, std::int64_t width,
                          std::int64_t columns, Tile* out, std::int64_t stride);

// Where key k of a half step stands along the summed index of weights and values: vectors of 16
// scores are narrowed and joined lane by lane.
constexpr std::int64_t weight_column(std::int64_t k) { return k % 16 / 4 * 8 + k / 16 * 4 + k % 4; }
constexpr std::int64_t weight_key(std::int64_t column) {
  return column / 8 * 4 + column % 8 / 4 * 16 + column % 4;
}

}  // namespace subquad::kernels
