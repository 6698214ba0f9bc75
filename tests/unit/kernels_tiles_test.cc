// Tiles of bf16: packing, exp2, the model of the tile instructions against double sums, and AMX
// against the model bit for bit.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "core/amx.h"
#include "core/memory.h"
#include "kernels/half.h"
#include "kernels/tiles/tile_engine.h"
#include "kernels/tiles/tile_limits.h"
#include "kernels/tiles/tile_pack.h"
#include "support/draw.h"
#include "support/isa.h"
#include "support/tile_draws.h"

namespace subquad::testing {
namespace {

using kernels::kPanelRows, kernels::kStepKeys, kernels::kSumLanes, kernels::kTileDepth;
using kernels::Tile;

constexpr float infinity = std::numeric_limits<float>::infinity();

std::vector<std::uint16_t> normal_bits(Draw& draw, std::int64_t count) {
  std::vector<std::uint16_t> bits(static_cast<std::size_t>(count));
  for (auto& b : bits) b = f32_to_bf16(static_cast<float>(draw.normal()));
  return bits;
}

const kernels::TileEngine* hardware() {
  return machine_has_amx() ? kernels::amx_engine() : nullptr;
}

#define REQUIRE_AMX() \
  if (hardware() == nullptr) GTEST_SKIP() << "no AMX here, or a build without it"

TEST(KernelsTiles, ScoresOfPackedRows) {
  Draw draw(1);
  for (const std::int64_t width : {1, 2, 31, 32, 33, 64, 100, 128, 200}) {
    const std::int64_t depth = kernels::tiles_along(width);
    const auto queries = normal_bits(draw, kPanelRows * width);
    const auto keys = normal_bits(draw, kStepKeys * width);
    Scratch<Tile> q(2 * depth), k(4 * depth);
    for (std::int64_t r = 0; r < kPanelRows; ++r)
      kernels::pack_query_row(queries.data() + r * width, width, r % 16, &q[r / 16 * depth]);
    for (std::int64_t j = 0; j < kStepKeys; ++j)
      kernels::pack_key_column(keys.data() + j * width, width, j % 16, &k[j / 16 * depth]);
    Scratch<float> scores(kPanelRows * kStepKeys);
    kernels::model_engine().scores(q.data(), k.data(), depth, scores.data());
    for (std::int64_t r = 0; r < kPanelRows; ++r)
      for (std::int64_t j = 0; j < kStepKeys; ++j) {
        double sum = 0, size = 0;
        for (std::int64_t c = 0; c < width; ++c) {
          const double product =
              double{bf16_to_f32(queries[static_cast<std::size_t>(r * width + c)])} *
              double{bf16_to_f32(keys[static_cast<std::size_t>(j * width + c)])};
          sum += product;
          size += std::abs(product);
        }
        ASSERT_NEAR(scores[r * kStepKeys + j], sum, 1e-6 * size) << width;
      }
  }
}

TEST(KernelsTiles, WeightColumnsAreAPermutation) {
  std::vector<std::int64_t> seen;
  for (std::int64_t k = 0; k < kTileDepth; ++k) {
    EXPECT_EQ(kernels::weight_key(kernels::weight_column(k)), k);
    seen.push_back(kernels::weight_column(k));
  }
  std::sort(seen.begin(), seen.end());
  for (std::int64_t k = 0; k < kTileDepth; ++k) EXPECT_EQ(seen[static_cast<std::size_t>(k)], k);
}

// Scores, weights, sums of weights and outputs of one step.
struct StepRun {
  Scratch<Tile> weights{4};
  Scratch<float> sums{kPanelRows * kSumLanes};
  bool reached = false;
};

StepRun run_weights(const kernels::TileEngine& engine, const Scratch<float>& scores, float factor,
                    const std::vector<float>& offsets) {
  StepRun run;
  const Scratch<float> before = [] {
    Scratch<float> zeros(kPanelRows * kSumLanes);
    std::fill_n(zeros.data(), zeros.size(), 0.25F);
    return zeros;
  }();
  const kernels::TileScope scope(engine);
  run.reached = engine.weights({scores.data(), factor, offsets.data(), run.weights.data(), 2,
                                before.data(), run.sums.data()});
  return run;
}

float weight_of(const StepRun& run, std::int64_t r, std::int64_t key) {
  const Tile& tile = run.weights[r / 16 * 2 + key / 32];
  return bf16_to_f32(tile.bits[r % 16 * 32 + kernels::weight_column(key % 32)]);
}

TEST(KernelsTiles, WeightsAreExp2WithinTheStatedError) {
  Draw draw(2);
  Scratch<float> scores(kPanelRows * kStepKeys);
  double sum = 0;
  for (int round = 0; round < 50; ++round) {
    for (float& s : scores.span()) s = static_cast<float>(-std::abs(draw.normal()));
    const float scale = draw.one_of({1.0F, 0.18F, 30.0F, -1.0F});
    std::vector<float> offsets;
    for (std::int64_t r = 0; r < kPanelRows; ++r)
      offsets.push_back(kernels::weight_offset(static_cast<float>(draw.integer(5, 9))));
    const StepRun run =
        run_weights(kernels::model_engine(), scores, scale * kernels::kOctave, offsets);
    EXPECT_FALSE(run.reached);
    for (std::int64_t r = 0; r < kPanelRows; ++r) {
      double row = 0.25 * kSumLanes, lanes = 0;
      for (std::int64_t j = 0; j < kStepKeys; ++j) {
        const double m = double{kernels::kExponentBias} -
                         double{offsets[static_cast<std::size_t>(r)] - kernels::kExp2Rounding} /
                             double{kernels::kOctave};
        const double expected = std::exp2(double{scores[r * kStepKeys + j]} * double{scale} - m);
        ASSERT_NEAR(weight_of(run, r, j), expected,
                    double{kernels::kWeightError} * expected + 0x1p-126);
        if (expected >= 0x1p-126) sum += double{weight_of(run, r, j)} / expected - 1;
        row += double{weight_of(run, r, j)};
      }
      for (std::int64_t lane = 0; lane < kSumLanes; ++lane)
        lanes += double{run.sums[r * kSumLanes + lane]};
      ASSERT_NEAR(lanes, row, 1e-5 * row);
    }
  }
  EXPECT_LE(std::abs(sum / (50 * kPanelRows * kStepKeys)), 1e-4);  // rounded both ways alike
}

TEST(KernelsTiles, WhatIsHiddenOrNoNumberWeighsNothing) {
  Scratch<float> scores(kPanelRows * kStepKeys);
  const float values[] = {-infinity, infinity, std::nanf(""), -1e30F, -127.5F, 0.0F, -126.0F, 0.5F};
  for (std::int64_t i = 0; i < scores.size(); ++i) scores[i] = values[i % 8];
  const StepRun run = run_weights(kernels::model_engine(), scores, kernels::kOctave,
                                  std::vector<float>(kPanelRows, kernels::weight_offset(0)));
  EXPECT_FALSE(run.reached);
  for (std::int64_t r = 0; r < kPanelRows; ++r)
    for (std::int64_t j = 0; j < kStepKeys; ++j) {
      const float expected[] = {0, 0, 0, 0, 0, 1, 0x1p-126F, std::sqrt(2.0F)};
      const float found = weight_of(run, r, j);
      ASSERT_NEAR(std::abs(found) < 0x1p-126F ? 0 : found, expected[j % 8],
                  0.006 * expected[j % 8]);
    }
}

TEST(KernelsTiles, AWeightOfTwoIsReported) {
  Scratch<float> scores(kPanelRows * kStepKeys);
  for (const float score : {1.0F, 1e3F, 1e6F}) {
    std::fill_n(scores.data(), scores.size(), -5.0F);
    scores[777] = score;
    const std::vector<float> offsets(kPanelRows, kernels::weight_offset(0));
    EXPECT_TRUE(run_weights(kernels::model_engine(), scores, kernels::kOctave, offsets).reached);
    if (const auto* amx = hardware(); amx != nullptr) {
      EXPECT_TRUE(run_weights(*amx, scores, kernels::kOctave, offsets).reached);
    }
  }
}

// Values in packed order times weights in theirs: the sum over keys.
TEST(KernelsTiles, ValuesMeetTheirWeights) {
  Draw draw(3);
  constexpr std::int64_t kWidth = 45, kColumns = 4, kHalves = 3;
  const auto values = normal_bits(draw, kHalves * 32 * kWidth);
  Scratch<Tile> packed(kHalves * kColumns), weights(2 * kHalves);
  for (std::int64_t h = 0; h < kHalves; ++h) {
    const std::uint16_t* rows[32];
    for (std::int64_t k = 0; k < 32; ++k)
      rows[k] = h == 2 && k > 20 ? nullptr : values.data() + (h * 32 + k) * kWidth;
    kernels::pack_values(rows, kWidth, kColumns, &packed[h * kColumns]);
  }
  const auto weight_bits = normal_bits(draw, kPanelRows * kHalves * 32);
  for (std::int64_t r = 0; r < kPanelRows; ++r)
    for (std::int64_t k = 0; k < kHalves * 32; ++k)
      weights[r / 16 * kHalves + k / 32].bits[r % 16 * 32 + kernels::weight_column(k % 32)] =
          weight_bits[static_cast<std::size_t>(r * kHalves * 32 + k)];
  Scratch<float> out(kPanelRows * 64);
  std::fill_n(out.data(), out.size(), 1.0F);
  kernels::model_engine().values(
      {weights.data(), kHalves, kHalves, packed.data(), kColumns, out.data(), 64});
  for (std::int64_t r = 0; r < kPanelRows; ++r)
    for (std::int64_t c = 0; c < 64; ++c) {
      double sum = 1;
      for (std::int64_t k = 0; k < 85 && c < kWidth; ++k)
        sum += double{bf16_to_f32(weight_bits[static_cast<std::size_t>(r * kHalves * 32 + k)])} *
               double{bf16_to_f32(values[static_cast<std::size_t>(k * kWidth + c)])};
      ASSERT_NEAR(out[r * 64 + c], sum, 1e-4);
    }
}

TEST(KernelsTiles, MagnitudesOfARow) {
  const std::vector<std::uint16_t> row{f32_to_bf16(1.0F), f32_to_bf16(-3.0F), f32_to_bf16(0.5F)};
  EXPECT_EQ(kernels::sum_of_magnitudes(row.data(), 3), 4.5F);
}

TEST(KernelsTiles, AnyNumberAboveALimitIsFound) {
  on_every_isa([] {
    for (const std::int64_t count : {1, 7, 8, 31, 32, 33, 64, 100}) {
      for (std::int64_t at = 0; at < count; ++at) {
        std::vector<std::uint16_t> bits(static_cast<std::size_t>(count), f32_to_bf16(-2.0F));
        EXPECT_FALSE(kernels::any_above(bits.data(), count, f32_to_bf16(2.0F)));
        bits[static_cast<std::size_t>(at)] = at % 2 == 0 ? f32_to_bf16(-2.5F) : 0xFFC0;
        EXPECT_TRUE(kernels::any_above(bits.data(), count, f32_to_bf16(2.0F)));
      }
    }
  });
}

TEST(KernelsTiles, TopsOfAStepAreOfItsFiniteScores) {
  on_every_isa([] {
    Scratch<float> scores(kPanelRows * kStepKeys);
    for (std::int64_t i = 0; i < scores.size(); ++i) {
      const float wild[] = {infinity, -infinity, std::nanf("")};
      scores[i] =
          i / kStepKeys == 3 || i % 5 == 0 ? wild[i % 3] : static_cast<float>(i * 37 % 1001);
    }
    std::vector<float> tops(kPanelRows), bottoms(kPanelRows);
    kernels::step_tops(scores.data(), 1, tops.data());
    kernels::step_tops(scores.data(), -1, bottoms.data());
    for (std::int64_t r = 0; r < kPanelRows; ++r) {
      float top = -infinity, bottom = -infinity;
      for (std::int64_t c = 0; c < kStepKeys; ++c) {
        const float score = scores[r * kStepKeys + c];
        if (!std::isfinite(score)) continue;
        top = std::max(top, score);
        bottom = std::max(bottom, -score);
      }
      EXPECT_EQ(tops[static_cast<std::size_t>(r)], top);
      EXPECT_EQ(bottoms[static_cast<std::size_t>(r)], bottom);
    }
  });
}

TEST(KernelsTiles, AmxScoresAreTheModelsBits) {
  REQUIRE_AMX();
  Draw draw(4);
  for (int round = 0; round < 40; ++round) {
    const std::int64_t depth = draw.integer(1, 8);
    const Scratch<Tile> q = random_tiles(draw, 2 * depth, round % 2 == 1);
    const Scratch<Tile> k = random_tiles(draw, 4 * depth, round % 2 == 1);
    Scratch<float> model(kPanelRows * kStepKeys), amx(kPanelRows * kStepKeys);
    kernels::model_engine().scores(q.data(), k.data(), depth, model.data());
    const kernels::TileScope scope(*hardware());
    hardware()->scores(q.data(), k.data(), depth, amx.data());
    ASSERT_EQ(count_differences(model.data(), amx.data(), model.size()), 0) << round;
  }
}

TEST(KernelsTiles, AmxWeightsAreTheModelsBits) {
  REQUIRE_AMX();
  Draw draw(5);
  for (int round = 0; round < 60; ++round) {
    Scratch<float> scores(kPanelRows * kStepKeys);
    const double spread = draw.one_of({1.0, 10.0, 100.0, 1e5});
    for (float& s : scores.span())
      s = draw.chance(0.05) ? draw.one_of({-infinity, infinity, std::nanf(""), 1e38F, -1e-40F})
                            : static_cast<float>(spread * draw.normal());
    std::vector<float> offsets;
    for (std::int64_t r = 0; r < kPanelRows; ++r)
      offsets.push_back(kernels::weight_offset(static_cast<float>(draw.integer(-9, 9))));
    const float factor = draw.one_of({512.0F, 90.5F, -3.0F, 0.0F});
    const StepRun model = run_weights(kernels::model_engine(), scores, factor, offsets);
    const StepRun amx = run_weights(*hardware(), scores, factor, offsets);
    EXPECT_EQ(model.reached, amx.reached);
    ASSERT_EQ(std::memcmp(model.weights.data(), amx.weights.data(), 4 * sizeof(Tile)), 0) << round;
    ASSERT_EQ(count_differences(model.sums.data(), amx.sums.data(), model.sums.size()), 0) << round;
  }
}

TEST(KernelsTiles, AmxValuesAreTheModelsBits) {
  REQUIRE_AMX();
  Draw draw(6);
  for (int round = 0; round < 40; ++round) {
    const std::int64_t halves = draw.integer(1, 9), columns = 2 * draw.integer(1, 4);
    const Scratch<Tile> weights = random_tiles(draw, 2 * halves, round % 2 == 1);
    const Scratch<Tile> values = random_tiles(draw, halves * columns, round % 2 == 1);
    const std::int64_t stride = columns * 16 + 32;
    Scratch<float> model(kPanelRows * stride), amx(kPanelRows * stride);
    for (std::int64_t i = 0; i < model.size(); ++i)
      model[i] = amx[i] = static_cast<float>(draw.normal() * draw.one_of({1.0, 1e-39}));
    kernels::model_engine().values(
        {weights.data(), halves, halves, values.data(), columns, model.data(), stride});
    const kernels::TileScope scope(*hardware());
    hardware()->values(
        {weights.data(), halves, halves, values.data(), columns, amx.data(), stride});
    ASSERT_EQ(count_differences(model.data(), amx.data(), model.size()), 0) << round;
  }
}

struct GradientCase {
  explicit GradientCase(Draw& draw)
      : scores(kPanelRows * kStepKeys),
        products(kPanelRows * kStepKeys),
        lse(kPanelRows),
        offsets(kPanelRows) {
    for (float& x : scores.span()) {
      const double far = draw.chance(0.1) ? -99 * std::abs(draw.normal()) : 0;
      x = draw.chance(0.1) ? -infinity : static_cast<float>(far + 2 * draw.normal());
    }
    for (float& x : products.span()) x = static_cast<float>(draw.normal());
    for (float& x : lse.span()) x = static_cast<float>(draw.chance(0.1) ? 1e30 : 8 + draw.normal());
    for (float& x : offsets.span()) x = static_cast<float>(draw.normal());
  }
  Scratch<float> scores, products, lse, offsets;
};

struct GradientTiles {
  GradientTiles() : weights(4), gradients(4), left(4) {}
  kernels::GradientStep step(const GradientCase& of, float factor) {
    return {of.scores.data(), of.products.data(), factor,
            of.lse.data(),    of.offsets.data(),  weights.data(),
            gradients.data(), left.data(),        2};
  }
  bool operator==(const GradientTiles& other) const {
    const auto same = [](const Scratch<Tile>& a, const Scratch<Tile>& b) {
      return std::memcmp(a.data(), b.data(), 4 * sizeof(Tile)) == 0;
    };
    return same(weights, other.weights) && same(gradients, other.gradients) &&
           same(left, other.left);
  }
  Scratch<Tile> weights, gradients, left;
};

TEST(KernelsTiles, GradientsAreWeightsTimesWhatPulls) {
  Draw draw(31);
  const GradientCase given(draw);
  const float factor = 1.3F;
  GradientTiles tiles;
  kernels::model_engine().gradients(tiles.step(given, factor));
  for (std::int64_t r = 0; r < kPanelRows; ++r)
    for (std::int64_t key = 0; key < kStepKeys; ++key) {
      const std::int64_t at = r * kStepKeys + key;
      const double x = double{given.scores[at]} * factor - double{given.lse[r]};
      const double weight = x >= -126 ? std::exp2(x) : 0;
      const double gradient =
          weight > 0 ? weight * (double{given.products[at]} + double{given.offsets[r]}) : 0;
      const std::int64_t pair = r / 2 * kTileDepth + key % 16 * 2 + r % 2;
      const auto read = [](const Tile& tile, std::int64_t place) {
        return double{bf16_to_f32(tile.bits[place])};
      };
      const double close = 0x1p-8;
      EXPECT_NEAR(read(tiles.weights[key / 16], pair), weight, close * weight);
      EXPECT_NEAR(read(tiles.gradients[key / 16], pair), gradient,
                  close * std::abs(gradient) + 1e-6 * weight);
      EXPECT_EQ(read(tiles.left[r / 16 * 2 + key / 32], r % 16 * kTileDepth + key % 32),
                read(tiles.gradients[key / 16], pair));
    }
}

TEST(KernelsTiles, HardwareGivesTheModelsGradients) {
  REQUIRE_AMX();
  Draw draw(32);
  for (int repeat = 0; repeat < 50; ++repeat) {
    const GradientCase given(draw);
    GradientTiles model, amx;
    const float factor = repeat % 2 == 0 ? 1.0F : -0.7F;
    kernels::model_engine().gradients(model.step(given, factor));
    {
      const kernels::TileScope scope(*hardware());
      hardware()->gradients(amx.step(given, factor));
    }
    EXPECT_TRUE(model == amx);
  }
}

// Left tiles of transposed rows times right tiles of pairs: sums over rows.
TEST(KernelsTiles, TransposedRowsMeetPairs) {
  Draw draw(33);
  const std::int64_t width = 40, columns = 4, others = 32;
  const auto left = normal_bits(draw, 32 * width), right = normal_bits(draw, 32 * others);
  const std::uint16_t *left_rows[32], *right_rows[32];
  for (std::int64_t i = 0; i < 32; ++i) {
    left_rows[i] = i == 5 ? nullptr : left.data() + i * width;
    right_rows[i] = right.data() + i * others;
  }
  Scratch<Tile> transposed(columns), pairs(2);
  kernels::pack_transposed_rows(left_rows, width, columns, transposed.data(), 1);
  kernels::pack_pairs(right_rows, others, 2, pairs.data());
  for (std::int64_t t = 0; t < columns; t += 2) {
    Scratch<float> out(32 * 32);
    std::fill_n(out.data(), 32 * 32, 0.0F);
    kernels::model_engine().values({&transposed[t], 1, 1, pairs.data(), 2, out.data(), 32});
    for (std::int64_t c = 0; c < 32; ++c)
      for (std::int64_t j = 0; j < 32; ++j) {
        double sum = 0;
        for (std::int64_t i = 0; i < 32; ++i)
          if (i != 5 && 16 * t + c < width)
            sum += double{bf16_to_f32(left_rows[i][16 * t + c])} *
                   double{bf16_to_f32(right_rows[i][j])};
        EXPECT_NEAR(out[c * 32 + j], sum, 1e-4);
      }
  }
}

}  // namespace
}  // namespace subquad::testing
