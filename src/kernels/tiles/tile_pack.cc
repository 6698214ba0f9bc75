#include "kernels/tiles/tile_pack.h"

#include <algorithm>
#include <cstring>

#include "kernels/half.h"

namespace subquad::kernels {
namespace {

constexpr std::uint16_t kMagnitude = 0x7FFF;
constexpr std::int64_t kLanes = 16;  // partial sums that may go on side by side

// Channels [begin, begin + count) of a row: where they lie, or in the buffer, zero beyond its
// width.
template <std::int64_t count>
const std::uint16_t* part_of(const std::uint16_t* row, std::int64_t width, std::int64_t begin,
                             std::uint16_t* buffer) {
  const std::int64_t left = row != nullptr ? std::clamp<std::int64_t>(width - begin, 0, count) : 0;
  if (left == count) return row + begin;
  std::fill_n(buffer, count, std::uint16_t{0});
  if (left > 0) std::copy_n(row + begin, left, buffer);
  return buffer;
}

}  // namespace

float sum_of_magnitudes(const std::uint16_t* row, std::int64_t width) {
  float lanes[kLanes] = {};
  std::int64_t c = 0;
  for (; c + kLanes <= width; c += kLanes)
    for (std::int64_t i = 0; i < kLanes; ++i)
      lanes[i] += bf16_to_f32(static_cast<std::uint16_t>(row[c + i] & kMagnitude));
  for (; c < width; ++c) lanes[0] += bf16_to_f32(static_cast<std::uint16_t>(row[c] & kMagnitude));
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

void pack_query_row(const std::uint16_t* row, std::int64_t width, std::int64_t r, Tile* out) {
  std::uint16_t buffer[kTileDepth];
  for (std::int64_t t = 0; t < tiles_along(width); ++t)
    std::memcpy(out[t].bits + r * kTileDepth,
                part_of<kTileDepth>(row, width, t * kTileDepth, buffer),
                kTileDepth * sizeof(std::uint16_t));
}

void pack_key_column(const std::uint16_t* row, std::int64_t width, std::int64_t c, Tile* out) {
  std::uint16_t buffer[kTileDepth];
  for (std::int64_t t = 0; t < tiles_along(width); ++t) {
    const std::uint16_t* part = part_of<kTileDepth>(row, width, t * kTileDepth, buffer);
    for (std::int64_t i = 0; i < kTileRows; ++i)
      std::memcpy(out[t].bits + (i * kTileColumns + c) * 2, part + 2 * i, 4);
  }
}

void pack_key_columns(const std::uint16_t* const* rows, std::int64_t width, Tile* out,
                      std::int64_t stride) {
  for (std::int64_t k = 0; k < kTileDepth; ++k)
    pack_key_column(rows[k], width, k % kTileColumns, out + k / kTileColumns * stride);
}

void pack_values(const std::uint16_t* const* rows, std::int64_t width, std::int64_t columns,
                 Tile* out) {
  const std::uint16_t* ordered[kTileDepth];
  for (std::int64_t i = 0; i < kTileDepth; ++i) ordered[i] = rows[weight_key(i)];
  pack_pairs(ordered, width, columns, out);
}

void pack_pairs(const std::uint16_t* const* rows, std::int64_t width, std::int64_t columns,
                Tile* out) {
  std::uint16_t buffers[2][kTileColumns];
  for (std::int64_t t = 0; t < columns; ++t)
    for (std::int64_t i = 0; i < kTileRows; ++i) {
      const std::int64_t begin = t * kTileColumns;
      const auto* even = part_of<kTileColumns>(rows[2 * i], width, begin, buffers[0]);
      const auto* odd = part_of<kTileColumns>(rows[2 * i + 1], width, begin, buffers[1]);
      std::uint16_t* to = out[t].bits + i * kTileDepth;
      for (std::int64_t c = 0; c < kTileColumns; ++c) {
        to[2 * c] = even[c];
        to[2 * c + 1] = odd[c];
      }
    }
}

void pack_transposed_rows(const std::uint16_t* const* rows, std::int64_t width,
                          std::int64_t columns, Tile* out, std::int64_t stride) {
  std::uint16_t buffer[kTileColumns];
  for (std::int64_t t = 0; t < columns; ++t)
    for (std::int64_t r = 0; r < kTileDepth; ++r) {
      const auto* part = part_of<kTileColumns>(rows[r], width, t * kTileColumns, buffer);
      for (std::int64_t c = 0; c < kTileColumns; ++c)
        out[t * stride].bits[c * kTileDepth + r] = part[c];
    }
}

}  // namespace subquad::kernels
