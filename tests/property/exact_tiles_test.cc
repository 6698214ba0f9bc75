// Exact attention of bf16 inputs on tiles: every option, on the model of the tile instructions and
// on AMX, which must give the model's bits.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "support/seeds.h"
#include "support/forward.h"
#include "support/random_problem.h"
#include "support/reference_attention.h"
#include "support/tile_engines.h"

namespace subquad::testing {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr ProblemLimits kSmall{.max_length = 200, .max_work = 1'500'000};

bool on_tiles(const ForwardRun& run) { return run.report.path.find("bf16-") != std::string::npos; }

void expect_same_bits(const ForwardRun& a, const ForwardRun& b) {
  EXPECT_EQ(a.out.words(), b.out.words());
  EXPECT_EQ(a.lse.words(), b.lse.words());
}

// Against the definition on each engine, which all give the same bits.
ForwardRun expect_exact(const Problem& problem, NonFinite rule = NonFinite::exact) {
  const ReferenceAttention reference(problem);
  ForwardRun first;
  on_every_tile_engine([&] {
    ForwardRun run = run_forward(problem, DType::f32, 1);
    expect_forward(problem, run, reference, rule);
    if (first.out.words().empty())
      first = std::move(run);
    else
      expect_same_bits(first, run);
  });
  return first;
}

TEST(ExactTiles, RandomProblems) {
  std::int64_t ran_on_tiles = 0;
  const Seeds seeds(9000, 200);
  for (const std::uint64_t seed : seeds) {
    if (HasFailure()) return;
    const OwnedProblem random = random_problem(seed, DType::bf16, kSmall);
    SCOPED_TRACE(random.description);
    ran_on_tiles += on_tiles(expect_exact(random.problem)) ? 1 : 0;
  }
  EXPECT_GT(ran_on_tiles, seeds.count() / 2);
}

TEST(ExactTiles, RandomProblemsByDotProducts) {
  if (dot_hardware() == nullptr) GTEST_SKIP() << "no AVX512-BF16 here";
  const TileEngineScope scope(*dot_hardware());
  for (const std::uint64_t seed : Seeds(9000, 200)) {
    if (HasFailure()) return;
    const OwnedProblem random = random_problem(seed, DType::bf16, kSmall);
    SCOPED_TRACE(random.description);
    const ForwardRun run = run_forward(random.problem, DType::f32, 1);
    expect_forward(random.problem, run, ReferenceAttention(random.problem), NonFinite::exact);
    expect_same_bits(run, run_forward(random.problem, DType::f32, 3));
  }
}

TEST(ExactTiles, EveryHeadDimension) {
  for (std::int64_t dim = 1; dim <= 260; dim += amx_hardware() != nullptr ? 1 : 7) {
    SCOPED_TRACE(dim);
    const OwnedProblem owned = gaussian_problem(
        {.queries = 20, .keys = 70, .head_dim = dim, .value_dim = 1 + (dim * 37) % 256}, 1,
        DType::bf16);
    const ReferenceAttention reference(owned.problem);
    const TileEngineScope scope(amx_hardware() != nullptr ? *amx_hardware()
                                                          : kernels::model_engine());
    const ForwardRun run = run_forward(owned.problem, DType::f32);
    EXPECT_TRUE(on_tiles(run));
    expect_forward(owned.problem, run, reference);
    if (HasFailure()) return;
  }
}

// Scores as they come, times 4 and times 16: what a stale maximum would spoil. Each weight is off
// by 0.0018 in the mean square.
TEST(ExactTiles, ErrorIsThatOfTheWeightsRounding) {
  for (const double spread : {1.0, 2.0, 4.0})
    for (const Causal causal : {Causal::none, Causal::top_left}) {
      OwnedProblem owned =
          gaussian_problem({.queries = 200, .keys = 700, .head_dim = 64}, 2, DType::bf16, spread);
      owned.problem.causal = causal;
      const ForwardRun run = expect_exact(owned.problem);
      EXPECT_LE(relative_error(run.out, ReferenceAttention(owned.problem).out), 0.0022);
    }
}

// Each key scores some octaves above the one before.
TEST(ExactTiles, MaximumThatNeverStopsRising) {
  for (const double slope : {0.02, 0.3, 5.0, -5.0}) {
    OwnedProblem owned =
        gaussian_problem({.queries = 40, .keys = 900, .head_dim = 16}, 3, DType::bf16);
    for (std::int64_t i = 0; i < 40; ++i) owned.query.set(0, 0, i, 0, 1.0 + 0.1 * double(i % 7));
    for (std::int64_t j = 0; j < 900; ++j) owned.key.set(0, 0, j, 0, slope * double(j));
    for (const float scale : {1.0F, -1.0F}) {
      owned.problem.scale = scale;
      expect_exact(owned.problem);
    }
  }
}

TEST(ExactTiles, ScoresOfPlusMinusTenThousand) {
  OwnedProblem owned =
      gaussian_problem({.queries = 45, .keys = 130, .head_dim = 16}, 4, DType::bf16);
  Draw draw(5);
  owned.query.fill([&] { return draw.one_of({-25.0, 25.0}); });
  owned.key.fill([&] { return draw.one_of({-25.0, 25.0}); });
  owned.problem.scale = 1.0F;
  expect_exact(owned.problem);
}

TEST(ExactTiles, NumbersBeyondTheLimitsGoTheOtherWay) {
  for (const double size : {2e3, 1e6, 1e18, 1e30}) {
    OwnedProblem owned =
        gaussian_problem({.queries = 30, .keys = 90, .head_dim = 8}, 6, DType::bf16);
    owned.key.set(0, 0, 17, 3, size);
    owned.query.set(0, 0, 11, 2, -size);
    owned.value.set(0, 0, 4, 1, size);
    expect_exact(owned.problem);
    owned.problem.scale = static_cast<float>(1e-3 / size);
    expect_exact(owned.problem);
  }
}

TEST(ExactTilesPoison, ReachesTheRowsThatSeeIt) {
  for (const std::uint64_t seed : Seeds(9300, 150)) {
    if (HasFailure()) return;
    OwnedProblem random = random_problem(seed, DType::bf16, kSmall);
    SCOPED_TRACE(random.description);
    Draw draw(seed);
    const double value = draw.one_of({std::nan(""), HUGE_VAL, -HUGE_VAL, 1e30});
    TensorBuffer& tensor = draw.one_of({&random.query, &random.key, &random.value})[0];
    poison(draw, tensor, value);
    const bool any = &tensor == &random.value || !std::isnan(value);
    expect_exact(random.problem, any ? NonFinite::any : NonFinite::exact);
  }
}

// Bits, not only values: what is hidden must not send a row the other way.
TEST(ExactTilesPoison, WhatIsHiddenChangesNoBit) {
  for (const double value : {std::nan(""), HUGE_VAL, 1e30}) {
    OwnedProblem owned =
        gaussian_problem({.queries = 70, .keys = 200, .head_dim = 32}, 7, DType::bf16);
    std::vector<std::uint8_t> mask(200, 1);
    for (std::size_t j = 150; j < 200; ++j) mask[j] = 0;
    owned.problem.mask = {MaskKind::boolean, mask.data(), {1, 1, 1, 200}, {200, 200, 200, 1}};
    on_every_tile_engine([&] {
      const ForwardRun before = run_forward(owned.problem, DType::f32);
      for (std::int64_t j = 150; j < 200; j += 7) {
        owned.key.set(0, 0, j, 5, value);
        owned.value.set(0, 0, j, 6, value);
      }
      expect_same_bits(before, run_forward(owned.problem, DType::f32));
    });
  }
}

// Rows that see nothing, or keys behind finite masks of any size alone.
TEST(ExactTilesMasks, EmptyRowsAndExtremeMasks) {
  const std::vector<float> sink{0.5F};
  for (const float hidden : {-infinity, -3.4e38F, -1e30F, -1e7F, -1e4F, 1e7F, 3.4e38F}) {
    OwnedProblem owned =
        gaussian_problem({.queries = 40, .keys = 100, .head_dim = 8}, 8, DType::bf16);
    std::vector<float> additive(40 * 100, 0.0F);
    std::fill(additive.begin(), additive.begin() + 10 * 100, hidden);
    for (std::size_t i = 10 * 100; i < additive.size(); i += 3) additive[i] = hidden;
    owned.problem.mask = {
        MaskKind::additive, additive.data(), {1, 1, 40, 100}, {4000, 4000, 100, 1}};
    SCOPED_TRACE(hidden);
    expect_exact(owned.problem);
    owned.problem.sink_logits = sink;
    expect_exact(owned.problem);
  }
}

TEST(ExactTilesMasks, NanInAMaskReachesItsRows) {
  OwnedProblem owned =
      gaussian_problem({.queries = 40, .keys = 100, .head_dim = 8}, 9, DType::bf16);
  std::vector<float> additive(40 * 100, 0.0F);
  additive[12 * 100 + 50] = std::nanf("");
  owned.problem.mask = {MaskKind::additive, additive.data(), {1, 1, 40, 100}, {4000, 4000, 100, 1}};
  expect_exact(owned.problem);
}

TEST(ExactTilesInvariance, ThreadsAndBatchesGiveTheSameBits) {
  OwnedProblem owned = gaussian_problem(
      {.batch = 2, .heads = 4, .kv_heads = 2, .queries = 150, .keys = 200, .head_dim = 40}, 10,
      DType::bf16);
  owned.problem.causal = Causal::bottom_right;
  Problem first = owned.problem;
  for (TensorView* view : {&first.query, &first.key, &first.value}) view->shape[0] = 1;
  on_every_tile_engine([&] {
    const ForwardRun all = run_forward(owned.problem, DType::f32, 1);
    for (const int threads : {2, 3, 7})
      expect_same_bits(all, run_forward(owned.problem, DType::f32, threads));
    const ForwardRun alone = run_forward(first, DType::f32);
    alone.out.for_each([&](auto b, auto h, auto i, auto c) {
      ASSERT_EQ(alone.out.get(b, h, i, c), all.out.get(b, h, i, c));
    });
  });
}

TEST(ExactTilesInvariance, SplitKeysGiveTheSameBitsForAnyThreads) {
  if (amx_hardware() == nullptr) GTEST_SKIP() << "too slow on the model";
  const OwnedProblem owned =
      gaussian_problem({.queries = 40, .keys = 20'000, .head_dim = 64}, 11, DType::bf16);
  const TileEngineScope scope(*amx_hardware());
  const ForwardRun single = run_forward(owned.problem, DType::f32, 1);
  EXPECT_TRUE(on_tiles(single));
  for (const int threads : {2, 5})
    expect_same_bits(single, run_forward(owned.problem, DType::f32, threads));
  expect_forward(owned.problem, single, ReferenceAttention(owned.problem));
}

TEST(ExactTilesPath, FewRowsAndOtherTypesGoTheOtherWay) {
  on_every_tile_engine([] {
    const auto path = [](std::int64_t queries, DType type) {
      return on_tiles(run_forward(
          gaussian_problem({.queries = queries, .keys = 50}, 12, type).problem, DType::f32));
    };
    EXPECT_TRUE(path(17, DType::bf16));
    EXPECT_FALSE(path(16, DType::bf16));
    EXPECT_FALSE(path(100, DType::f32));
    EXPECT_FALSE(path(100, DType::f16));
  });
}

}  // namespace
}  // namespace subquad::testing
