// Numbers split into bf16 ones: the pieces, products of them against double sums, exp2 in f32, and
// AMX against the model bit for bit.
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
#include "kernels/tiles/tile_split.h"
#include "support/draw.h"
#include "support/isa.h"
#include "support/tile_draws.h"
#include "support/tile_engines.h"

namespace subquad::testing {
namespace {

using kernels::kPanelRows, kernels::kStepKeys, kernels::kSumLanes, kernels::Tile;
using kernels::PieceProducts;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(KernelsSplit, ProductsOfPieces) {
  for (int order = 0; order <= 2; ++order)
    for (int left = 1; left <= 3; ++left)
      for (int right = 1; right <= 3; ++right) {
        const PieceProducts products = kernels::piece_products(left, right, order);
        std::vector<int> seen(9);
        for (int k = 0; k < products.count; ++k)
          ++seen[static_cast<std::size_t>(3 * products.pairs[k].left + products.pairs[k].right)];
        for (int i = 0; i < 3; ++i)
          for (int j = 0; j < 3; ++j)
            EXPECT_EQ(seen[static_cast<std::size_t>(3 * i + j)],
                      i < left && j < right && i + j <= order ? 1 : 0);
      }
  EXPECT_EQ(kernels::piece_products(2, 2, 1).count, 3);
  EXPECT_EQ(kernels::piece_products(3, 3, 2).count, 6);
}

double piece(const std::vector<std::uint16_t>& words, std::int64_t at) {
  return double{bf16_to_f32(words[static_cast<std::size_t>(at)])};
}

TEST(KernelsSplit, RowsArePiecesThatAddUp) {
  on_every_isa([] {
    Draw draw(1);
    for (const std::int64_t width : {1, 3, 8, 16, 17, 40}) {
      std::vector<float> x;
      for (std::int64_t c = 0; c < width; ++c)
        x.push_back(static_cast<float>(draw.normal() * draw.one_of({1e-9, 1.0, 1e9})));
      std::vector<std::uint16_t> words(static_cast<std::size_t>(3 * width + 1), 0xABCD);
      const auto squares = kernels::split_row(x.data(), width, 3, words.data(), width);
      double whole = 0, mid = 0, rest = 0;
      for (std::int64_t c = 0; c < width; ++c) {
        const double number = double{x[static_cast<std::size_t>(c)]};
        const double after_one = number - piece(words, c);
        const double after_two = after_one - piece(words, width + c);
        EXPECT_LE(std::abs(after_one), 0x1p-8 * std::abs(number));
        EXPECT_LE(std::abs(after_two), 0x1p-16 * std::abs(number));
        EXPECT_EQ(after_two, piece(words, 2 * width + c));
        whole += number * number;
        mid += after_one * after_one;
        rest += after_two * after_two;
      }
      EXPECT_EQ(words.back(), 0xABCD);
      EXPECT_NEAR(double{squares.whole}, whole, 1e-5 * whole);
      EXPECT_NEAR(double{squares.mid}, mid, 1e-5 * mid);
      EXPECT_NEAR(double{squares.rest}, rest, 1e-5 * rest);
      std::vector<std::uint16_t> two(static_cast<std::size_t>(2 * width + 1), 0xABCD);
      kernels::split_row(x.data(), width, 2, two.data(), width);
      EXPECT_TRUE(std::equal(two.begin(), two.end() - 1, words.begin()));
      EXPECT_EQ(two.back(), 0xABCD);
    }
    for (const float wild : {kInfinity, std::nanf("")}) {
      const std::vector<float> x{1.0F, wild, 2.0F};
      std::uint16_t words[9];
      EXPECT_FALSE(std::isfinite(kernels::split_row(x.data(), 3, 3, words, 3).whole));
    }
  });
}

TEST(KernelsSplit, TopsAreOfKeysThatAreSeen) {
  on_every_isa([] {
    Scratch<float> scores(kPanelRows * kStepKeys), norms(kStepKeys);
    for (std::int64_t c = 0; c < kStepKeys; ++c) norms[c] = static_cast<float>(c * 37 % 64);
    for (std::int64_t i = 0; i < scores.size(); ++i)
      scores[i] = i / kStepKeys == 5 || (i * 7 + i / kStepKeys) % 3 != 0 ? -kInfinity : 1.0F;
    std::vector<float> tops(kPanelRows, 20.5F);
    kernels::seen_tops(scores.data(), norms.data(), tops.data());
    for (std::int64_t r = 0; r < kPanelRows; ++r) {
      float top = 20.5F;
      for (std::int64_t c = 0; c < kStepKeys; ++c)
        if (scores[r * kStepKeys + c] > 0) top = std::max(top, norms[c]);
      EXPECT_EQ(tops[static_cast<std::size_t>(r)], top);
    }
    EXPECT_EQ(tops[5], 20.5F);
  });
}

// Tiles of one step, of any pieces.
struct StepTiles {
  StepTiles(Draw& draw, const PieceProducts& of, std::int64_t tiles_deep, bool any)
      : products(of),
        depth(tiles_deep),
        queries(random_tiles(draw, 2 * of.left * depth, any)),
        keys(random_tiles(draw, 4 * of.right * depth, any)),
        scores(kPanelRows * kStepKeys) {}
  void run(const kernels::TileEngine& engine) {
    const kernels::TileScope scope(engine);
    engine.split_scores({queries.data(), keys.data(), depth, products, scores.data()});
  }
  PieceProducts products;
  std::int64_t depth;
  Scratch<Tile> queries, keys;
  Scratch<float> scores;
};

PieceProducts any_products(Draw& draw) {
  return kernels::piece_products(static_cast<int>(draw.integer(1, 3)),
                                 static_cast<int>(draw.integer(1, 3)),
                                 static_cast<int>(draw.integer(1, 2)));
}

// Row r of left tiles times column c of right tiles.
double product_of(const Tile& left, const Tile& right, std::int64_t r, std::int64_t c) {
  double sum = 0;
  for (std::int64_t i = 0; i < 32; ++i)
    sum += double{bf16_to_f32(left.bits[r * 32 + i])} *
           double{bf16_to_f32(right.bits[(i / 2 * 16 + c) * 2 + i % 2])};
  return sum;
}

double score_of(const StepTiles& step, std::int64_t r, std::int64_t key) {
  double sum = 0;
  for (std::int64_t t = 0; t < step.depth; ++t)
    for (int k = 0; k < step.products.count; ++k) {
      const auto [i, j] = step.products.pairs[k];
      sum += product_of(step.queries[(r / 16 * step.products.left + i) * step.depth + t],
                        step.keys[(key / 16 * step.products.right + j) * step.depth + t], r % 16,
                        key % 16);
    }
  return sum;
}

TEST(KernelsSplit, ScoresOfEveryEngine) {
  for (const auto* engine : {&kernels::model_engine(), amx_hardware(), dot_hardware()}) {
    if (engine == nullptr) continue;
    SCOPED_TRACE(engine->name);
    Draw draw(2);
    for (int round = 0; round < 20; ++round) {
      StepTiles step(draw, any_products(draw), draw.integer(1, 4), false);
      step.run(*engine);
      for (std::int64_t r = 0; r < kPanelRows; ++r)
        for (std::int64_t key = 0; key < kStepKeys; ++key)
          ASSERT_NEAR(step.scores[r * kStepKeys + key], score_of(step, r, key), 2e-4);
    }
  }
}

TEST(KernelsSplit, AmxScoresAreTheModelsBits) {
  if (amx_hardware() == nullptr) GTEST_SKIP() << "no AMX here, or a build without it";
  Draw draw(3);
  for (int round = 0; round < 40; ++round) {
    StepTiles step(draw, any_products(draw), draw.integer(1, 8), round % 2 == 1);
    step.run(kernels::model_engine());
    const Scratch<float> model = std::move(step.scores);
    step.scores = Scratch<float>(kPanelRows * kStepKeys);
    step.run(*amx_hardware());
    ASSERT_EQ(count_differences(model.data(), step.scores.data(), model.size()), 0) << round;
  }
}

struct WeightRun {
  explicit WeightRun(int count)
      : pieces(count), tiles(std::int64_t{4} * count), sums(kPanelRows * kSumLanes) {}
  bool run(const kernels::TileEngine& engine, const Scratch<float>& scores, float factor,
           const std::vector<float>& offsets) {
    Scratch<float> before(sums.size());
    std::fill_n(before.data(), before.size(), 0.25F);
    const kernels::TileScope scope(engine);
    return engine.split_weights({scores.data(), factor, offsets.data(), pieces, tiles.data(), 2,
                                 before.data(), sums.data()});
  }
  double weight(std::int64_t r, std::int64_t key) const {
    double sum = 0;
    for (int p = 0; p < pieces; ++p)
      sum += double{bf16_to_f32(
          tiles[(std::int64_t{2} * p + r / 16) * 2 + key / 32].bits[r % 16 * 32 + key % 32])};
    return sum;
  }
  int pieces;
  Scratch<Tile> tiles;
  Scratch<float> sums;
};

TEST(KernelsSplit, WeightsAreExp2WithinTheStatedError) {
  Draw draw(4);
  Scratch<float> scores(kPanelRows * kStepKeys);
  for (const int pieces : {2, 3})
    for (int round = 0; round < 20; ++round) {
      for (float& s : scores.span()) s = static_cast<float>(-10 * std::abs(draw.normal()));
      std::vector<float> offsets;
      for (std::int64_t r = 0; r < kPanelRows; ++r)
        offsets.push_back(-static_cast<float>(draw.integer(0, 9)));
      WeightRun run(pieces);
      EXPECT_FALSE(run.run(kernels::model_engine(), scores, 1, offsets));
      const double most = 0x1p-22 + (pieces == 2 ? 0x1p-16 : 0.0);
      for (std::int64_t r = 0; r < kPanelRows; ++r) {
        double sum = 0.25 * kSumLanes, lanes = 0;
        for (std::int64_t key = 0; key < kStepKeys; ++key) {
          // The argument is rounded to f32 too.
          const double x =
              double{scores[r * kStepKeys + key]} + double{offsets[static_cast<std::size_t>(r)]};
          const double expected = std::exp2(x);
          ASSERT_NEAR(run.weight(r, key), expected, (most + std::abs(x) * 0x1p-24) * expected);
          sum += expected;
        }
        for (std::int64_t lane = 0; lane < kSumLanes; ++lane)
          lanes += double{run.sums[r * kSumLanes + lane]};
        ASSERT_NEAR(lanes, sum, 3e-6 * sum);
      }
    }
}

TEST(KernelsSplit, WhatIsHiddenOrNoNumberWeighsNothing) {
  Scratch<float> scores(kPanelRows * kStepKeys);
  const float values[] = {-kInfinity, kInfinity, std::nanf(""), -1e30F,
                          -126.5F,    0.0F,      -126.0F,       0.5F};
  for (std::int64_t i = 0; i < scores.size(); ++i) scores[i] = values[i % 8];
  WeightRun run(3);
  EXPECT_FALSE(run.run(kernels::model_engine(), scores, 1, std::vector<float>(kPanelRows, 0.0F)));
  const double expected[] = {0, 0, 0, 0, 0, 1, 0x1p-126, std::sqrt(2.0)};
  for (std::int64_t key = 0; key < kStepKeys; ++key)
    EXPECT_NEAR(run.weight(3, key), expected[key % 8], 3e-7 * expected[key % 8]);
}

TEST(KernelsSplit, AWeightOfTwoIsReported) {
  for (const auto* engine : {&kernels::model_engine(), amx_hardware()})
    for (const float score : {1.0F, 1e3F, 1e6F}) {
      if (engine == nullptr) continue;
      Scratch<float> scores(kPanelRows * kStepKeys);
      std::fill_n(scores.data(), scores.size(), 0.999F);
      const std::vector<float> offsets(kPanelRows, 0.0F);
      EXPECT_FALSE(WeightRun(2).run(*engine, scores, 1, offsets));
      scores[777] = score;
      EXPECT_TRUE(WeightRun(2).run(*engine, scores, 1, offsets));
    }
}

TEST(KernelsSplit, AmxWeightsAreTheModelsBits) {
  if (amx_hardware() == nullptr) GTEST_SKIP() << "no AMX here, or a build without it";
  Draw draw(5);
  for (int round = 0; round < 60; ++round) {
    Scratch<float> scores(kPanelRows * kStepKeys);
    const double spread = draw.one_of({1.0, 10.0, 100.0, 1e5});
    for (float& s : scores.span())
      s = draw.chance(0.05) ? draw.one_of({-kInfinity, kInfinity, std::nanf(""), 1e38F, -1e-40F})
                            : static_cast<float>(spread * draw.normal());
    std::vector<float> offsets;
    for (std::int64_t r = 0; r < kPanelRows; ++r)
      offsets.push_back(static_cast<float>(draw.integer(-9, 9)));
    const float factor = draw.one_of({1.0F, 0.18F, -3.0F, 0.0F});
    WeightRun model(2 + round % 2), amx(2 + round % 2);
    EXPECT_EQ(model.run(kernels::model_engine(), scores, factor, offsets),
              amx.run(*amx_hardware(), scores, factor, offsets));
    ASSERT_EQ(std::memcmp(model.tiles.data(), amx.tiles.data(),
                          static_cast<std::size_t>(model.tiles.size()) * sizeof(Tile)),
              0)
        << round;
    ASSERT_EQ(count_differences(model.sums.data(), amx.sums.data(), model.sums.size()), 0) << round;
  }
}

// Weights, values and sums of so many half steps.
struct ValueTiles {
  ValueTiles(Draw& draw, const PieceProducts& of, bool any)
      : products(of),
        halves(draw.integer(1, 9)),
        columns(2 * draw.integer(1, 4)),
        weights(random_tiles(draw, 2 * of.left * halves, any)),
        values(random_tiles(draw, halves * of.right * columns, any)),
        before(kPanelRows * stride()) {
    for (float& x : before.span())
      x = static_cast<float>(draw.normal() * draw.one_of({1.0, any ? 1e-39 : 1.0}));
  }
  std::int64_t stride() const { return columns * 16 + 32; }
  Scratch<float> run(const kernels::TileEngine& engine) const {
    Scratch<float> out(before.size());
    std::copy_n(before.data(), before.size(), out.data());
    const kernels::TileScope scope(engine);
    engine.split_values(
        {weights.data(), halves, halves, values.data(), columns, products, out.data(), stride()});
    return out;
  }
  double expected(std::int64_t r, std::int64_t c) const {
    double sum = double{before[r * stride() + c]};
    for (std::int64_t h = 0; h < halves; ++h)
      for (int k = 0; k < products.count; ++k) {
        const auto [i, j] = products.pairs[k];
        sum += product_of(weights[(2 * i + r / 16) * halves + h],
                          values[(h * products.right + j) * columns + c / 16], r % 16, c % 16);
      }
    return sum;
  }
  PieceProducts products;
  std::int64_t halves, columns;
  Scratch<Tile> weights, values;
  Scratch<float> before;
};

TEST(KernelsSplit, ValuesOfEveryEngine) {
  for (const auto* engine : {&kernels::model_engine(), amx_hardware(), dot_hardware()}) {
    if (engine == nullptr) continue;
    SCOPED_TRACE(engine->name);
    Draw draw(6);
    for (int round = 0; round < 10; ++round) {
      const ValueTiles tiles(draw, any_products(draw), false);
      const Scratch<float> out = tiles.run(*engine);
      for (std::int64_t r = 0; r < kPanelRows; ++r)
        for (std::int64_t c = 0; c < tiles.columns * 16; ++c)
          ASSERT_NEAR(out[r * tiles.stride() + c], tiles.expected(r, c), 1e-3);
    }
  }
}

TEST(KernelsSplit, AmxValuesAreTheModelsBits) {
  if (amx_hardware() == nullptr) GTEST_SKIP() << "no AMX here, or a build without it";
  Draw draw(7);
  for (int round = 0; round < 40; ++round) {
    const ValueTiles tiles(draw, any_products(draw), round % 2 == 1);
    const Scratch<float> model = tiles.run(kernels::model_engine());
    const Scratch<float> amx = tiles.run(*amx_hardware());
    ASSERT_EQ(count_differences(model.data(), amx.data(), model.size()), 0) << round;
  }
}

}  // namespace
}  // namespace subquad::testing
