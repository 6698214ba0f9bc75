// Products of bf16 pairs on the layout of tiles: the definition of VDPBF16PS, bit for bit; all that
// is not a product has the model's bits.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "core/avx512_bf16.h"
#include "core/memory.h"
#include "kernels/half.h"
#include "kernels/tiles/tile_engine.h"
#include "subquad/info.h"
#include "support/draw.h"
#include "support/isa.h"
#include "support/tile_draws.h"

namespace subquad::testing {
namespace {

using kernels::kPanelRows, kernels::kStepKeys, kernels::kTileDepth, kernels::Tile;

#define REQUIRE_DOTS() \
  if (!machine_has_dots()) GTEST_SKIP() << "no AVX512-BF16 here"

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

// By the definition, to `out`: (kPanelRows, columns * 16), rows `stride` apart. Tile t along the
// summed index of tile row r is left[r * depth + t]; that of tile column c is right(t, c).
template <typename Right>
void add_products(const Tile* left, std::int64_t depth, const Right& right, std::int64_t columns,
                  float* out, std::int64_t stride) {
  for (std::int64_t r = 0; r < kPanelRows; ++r)
    for (std::int64_t c = 0; c < columns * 16; ++c)
      for (std::int64_t t = 0; t < depth; ++t)
        out[r * stride + c] =
            add_row(out[r * stride + c], left[r / 16 * depth + t].bits + r % 16 * kTileDepth,
                    right(t, c / 16), c % 16);
}

TEST(KernelsDots, ScoresAreByTheDefinition) {
  REQUIRE_DOTS();
  Draw draw(4);
  for (int round = 0; round < 20; ++round) {
    const std::int64_t depth = draw.integer(1, 8);
    const Scratch<Tile> q = random_tiles(draw, 2 * depth, round % 2 == 1);
    const Scratch<Tile> k = random_tiles(draw, 4 * depth, round % 2 == 1);
    Scratch<float> want(kPanelRows * kStepKeys), scores(kPanelRows * kStepKeys);
    std::fill_n(want.data(), want.size(), 0.0f);
    const auto key = [&](std::int64_t t, std::int64_t c) { return k[c * depth + t]; };
    add_products(q.data(), depth, key, 4, want.data(), kStepKeys);
    kernels::dot_engine()->scores(q.data(), k.data(), depth, scores.data());
    ASSERT_EQ(count_differences(want.data(), scores.data(), scores.size()), 0) << round;
  }
}

TEST(KernelsDots, ValuesAreByTheDefinition) {
  REQUIRE_DOTS();
  Draw draw(6);
  for (int round = 0; round < 20; ++round) {
    const std::int64_t halves = draw.integer(1, 9), columns = 2 * draw.integer(1, 4);
    const Scratch<Tile> weights = random_tiles(draw, 2 * halves, round % 2 == 1);
    const Scratch<Tile> values = random_tiles(draw, halves * columns, round % 2 == 1);
    const std::int64_t stride = columns * 16 + 32;  // beyond the columns: untouched
    Scratch<float> want(kPanelRows * stride), out(kPanelRows * stride);
    for (std::int64_t i = 0; i < out.size(); ++i)
      want[i] = out[i] = static_cast<float>(draw.normal());
    const auto value = [&](std::int64_t h, std::int64_t c) { return values[h * columns + c]; };
    add_products(weights.data(), halves, value, columns, want.data(), stride);
    kernels::dot_engine()->values(
        {weights.data(), halves, halves, values.data(), columns, out.data(), stride});
    ASSERT_EQ(count_differences(want.data(), out.data(), out.size()), 0) << round;
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
