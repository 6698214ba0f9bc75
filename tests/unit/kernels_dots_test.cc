// Products of bf16 pairs on the layout of tiles: the definition of VDPBF16PS, bit for bit; all that
// is not a product has the model's bits.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "core/avx512_bf16.h"
#include "core/isa.h"
#include "core/memory.h"
#include "kernels/half.h"
#include "kernels/tiles/tile_engine.h"
#include "subquad/info.h"
#include "support/draw.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

using kernels::kPanelRows, kernels::kStepKeys, kernels::kTileDepth, kernels::Tile;

#define REQUIRE_DOTS() \
  if (!machine_has_dots()) GTEST_SKIP() << "no AVX512-BF16 here"

Scratch<Tile> draw_tiles(Draw& draw, std::int64_t count, bool any) {
  Scratch<Tile> tiles(count);
  for (Tile& tile : tiles.span())
    for (std::uint16_t& b : tile.bits)
      b = any && draw.chance(0.02) ? static_cast<std::uint16_t>(draw.integer(0, 65535))
                                   : f32_to_bf16(static_cast<float>(draw.normal()));
  return tiles;
}

float no_denormal(float x) {
  return std::abs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0f, x) : x;
}
float element_of(std::uint16_t bits) { return no_denormal(bf16_to_f32(bits)); }

// The odd one of a pair first, each addition rounded.
float add_row(float sum, const std::uint16_t* left, const Tile& right, std::int64_t column) {
  for (std::int64_t i = 0; i < kTileDepth / 2; ++i)
    for (const std::int64_t half : {1, 0}) {
      const float factor = element_of(right.bits[i * kTileDepth + 2 * column + half]);
      sum = no_denormal(std::fma(element_of(left[2 * i + half]), factor, no_denormal(sum)));
    }
  return sum;
}

bool same_number(float a, float b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0 || (std::isnan(a) && std::isnan(b));
}

TEST(KernelsDots, ScoresAreByTheDefinition) {
  REQUIRE_DOTS();
  Draw draw(4);
  for (int round = 0; round < 20; ++round) {
    const std::int64_t depth = draw.integer(1, 8);
    const Scratch<Tile> q = draw_tiles(draw, 2 * depth, round % 2 == 1);
    const Scratch<Tile> k = draw_tiles(draw, 4 * depth, round % 2 == 1);
    Scratch<float> scores(kPanelRows * kStepKeys);
    kernels::dot_engine()->scores(q.data(), k.data(), depth, scores.data());
    for (std::int64_t r = 0; r < kPanelRows; ++r)
      for (std::int64_t c = 0; c < kStepKeys; ++c) {
        float sum = 0;
        for (std::int64_t t = 0; t < depth; ++t)
          sum = add_row(sum, q[r / 16 * depth + t].bits + r % 16 * kTileDepth,
                        k[c / 16 * depth + t], c % 16);
        ASSERT_TRUE(same_number(sum, scores[r * kStepKeys + c])) << r << ' ' << c;
      }
  }
}

TEST(KernelsDots, ValuesAreByTheDefinition) {
  REQUIRE_DOTS();
  Draw draw(6);
  for (int round = 0; round < 20; ++round) {
    const std::int64_t halves = draw.integer(1, 9), columns = 2 * draw.integer(1, 4);
    const Scratch<Tile> weights = draw_tiles(draw, 2 * halves, round % 2 == 1);
    const Scratch<Tile> values = draw_tiles(draw, halves * columns, round % 2 == 1);
    const std::int64_t stride = columns * 16 + 32;
    Scratch<float> before(kPanelRows * stride), out(kPanelRows * stride);
    for (std::int64_t i = 0; i < out.size(); ++i)
      out[i] = before[i] = static_cast<float>(draw.normal());
    kernels::dot_engine()->values(
        {weights.data(), halves, halves, values.data(), columns, out.data(), stride});
    for (std::int64_t r = 0; r < kPanelRows; ++r)
      for (std::int64_t c = 0; c < stride; ++c) {
        float sum = before[r * stride + c];
        for (std::int64_t h = 0; h < halves && c < columns * 16; ++h)
          sum = add_row(sum, weights[r / 16 * halves + h].bits + r % 16 * kTileDepth,
                        values[h * columns + c / 16], c % 16);
        ASSERT_TRUE(same_number(sum, out[r * stride + c])) << r << ' ' << c;
      }
  }
}

TEST(KernelsDots, AreAnInstructionSetThatIsTakenWhereItPays) {
  REQUIRE_DOTS();
  const bool asked_for = std::getenv("SUBQUAD_ISA") != nullptr;
  const std::string isa = build_info().isa;
  if (asked_for) GTEST_SKIP() << "SUBQUAD_ISA is set";
  EXPECT_EQ(isa == "avx3_bf16", isa != "amx" && dots_pay());
  const IsaScope scope("avx3_bf16");
  EXPECT_EQ(kernels::tile_engine(), kernels::dot_engine());
  const IsaScope below("avx3");
  EXPECT_EQ(kernels::tile_engine(), nullptr);
}

}  // namespace
}  // namespace subquad::testing
