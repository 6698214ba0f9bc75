#include "kernels/tiles/tile_pack.h"

#include <algorithm>
#include <cstring>

#include "kernels/half.h"

namespace subquad::kernels {
namespace {

constexpr std::uint16_t kMagnitude = 0x7FFF;
constexpr std::int64_t kLanes = 16;  // partial sums that may go on side by side

// Channels [begin, begin + count) of a row, zero beyond its width.
template <std::int64_t count>
void load_part(const std::uint16_t* row, std::int64_t width, std::int64_t begin,
               std::uint16_t* out) {
  const std::int64_t left = row != nullptr ? std::clamp<std::int64_t>(width - begin, 0, count) : 0;
  if (left == count) {
    std::memcpy(out, row + begin, count * sizeof(std::uint16_t));
    return;
  }
  std::memset(out, 0, count * sizeof(std::uint16_t));
  if (left > 0)
    std::memcpy(out, row + begin, static_cast<std::size_t>(left) * sizeof(std::uint16_t));
}

}  // namespace

std::uint16_t largest_bits(const std::uint16_t* row, std::int64_t width) {
  std::int16_t top = 0;  // signed maxima are in every instruction set
  for (std::int64_t c = 0; c < width; ++c)
    top = std::max(top, static_cast<std::int16_t>(row[c] & kMagnitude));
  return static_cast<std::uint16_t>(top);
}

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
  for (std::int64_t t = 0; t < tiles_along(width); ++t)
    load_part<kTileDepth>(row, width, t * kTileDepth, out[t].bits + r * kTileDepth);
}

void pack_key_column(const std::uint16_t* row, std::int64_t width, std::int64_t c, Tile* out) {
  std::uint16_t part[kTileDepth];
  for (std::int64_t t = 0; t < tiles_along(width); ++t) {
    load_part<kTileDepth>(row, width, t * kTileDepth, part);
    for (std::int64_t i = 0; i < kTileRows; ++i)
      std::memcpy(out[t].bits + (i * kTileColumns + c) * 2, part + 2 * i, 4);
  }
}

void pack_values(const std::uint16_t* const* rows, std::int64_t width, std::int64_t columns,
                 Tile* out) {
  std::uint16_t even[kTileColumns], odd[kTileColumns];
  for (std::int64_t t = 0; t < columns; ++t)
    for (std::int64_t i = 0; i < kTileRows; ++i) {
      load_part<kTileColumns>(rows[weight_key(2 * i)], width, t * kTileColumns, even);
      load_part<kTileColumns>(rows[weight_key(2 * i + 1)], width, t * kTileColumns, odd);
      std::uint16_t* to = out[t].bits + i * kTileDepth;
      for (std::int64_t c = 0; c < kTileColumns; ++c) {
        to[2 * c] = even[c];
        to[2 * c + 1] = odd[c];
      }
    }
}

}  // namespace subquad::kernels
