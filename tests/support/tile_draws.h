// Random tiles of bf16, and numbers that should have the same bits.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/memory.h"
#include "kernels/half.h"
#include "kernels/tiles/tile_engine.h"
#include "support/draw.h"

namespace subquad::testing {

// Standard normal; with `any`, one in fifty of any pattern at all, NaN, Inf and denormals too.
inline Scratch<kernels::Tile> random_tiles(Draw& draw, std::int64_t count, bool any) {
  Scratch<kernels::Tile> tiles(count);
  for (kernels::Tile& tile : tiles.span())
    for (std::uint16_t& b : tile.bits)
      b = any && draw.chance(0.02) ? static_cast<std::uint16_t>(draw.integer(0, 65535))
                                   : f32_to_bf16(static_cast<float>(draw.normal()));
  return tiles;
}

// Same bits; any NaN for any NaN.
inline std::int64_t count_differences(const float* a, const float* b, std::int64_t count) {
  std::int64_t differences = 0;
  for (std::int64_t i = 0; i < count; ++i)
    differences += std::memcmp(a + i, b + i, 4) != 0 && !(std::isnan(a[i]) && std::isnan(b[i]));
  return differences;
}

}  // namespace subquad::testing
