// Exact attention of f32, f16 and bf16 split into bf16 numbers: every option, on the model of the
// tile instructions and on AMX, which must give the model's bits; no error above the bound stated.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "support/backward.h"
#include "support/invalid.h"
#include "support/random_problem.h"
#include "support/reference_attention.h"
#include "support/seeds.h"
#include "support/split_forward.h"
#include "support/tile_engines.h"

namespace subquad::testing {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr ProblemLimits kSmall{.max_length = 200, .max_work = 400'000};
const std::string kSplit3 = "exact(precision=split3,certify=0)",
                  kSplit6 = "exact(precision=split6,certify=0)";

DType type_of(std::uint64_t seed) {
  const DType types[] = {DType::f32, DType::f32, DType::f16, DType::bf16};
  return types[seed % 4];
}

// Against the definition on each engine, which all give the same bits.
SplitRun expect_exact(const Problem& problem, const std::string& spec,
                      NonFinite rule = NonFinite::exact) {
  const ReferenceAttention reference(problem);
  SplitRun first;
  on_every_tile_engine([&] {
    SplitRun run = run_split(problem, spec);
    expect_bounded(problem, run, reference, rule);
    if (first.forward.out.words().empty()) {
      first = std::move(run);
      return;
    }
    EXPECT_EQ(first.forward.out.words(), run.forward.out.words());
    EXPECT_EQ(first.forward.lse.words(), run.forward.lse.words());
  });
  return first;
}

TEST(ExactSplit, RandomProblems) {
  std::int64_t split = 0;
  const Seeds seeds(9500, 150);
  for (const std::uint64_t seed : seeds) {
    if (HasFailure()) return;
    const OwnedProblem random = random_problem(seed, type_of(seed), kSmall);
    const std::string spec = seed % 3 == 0 ? kSplit6 : kSplit3;
    SCOPED_TRACE(random.description + " " + spec);
    split += is_split(expect_exact(random.problem, spec).forward.report) ? 1 : 0;
  }
  EXPECT_GT(split, seeds.count() / 3);  // the others are short
}

TEST(ExactSplit, EveryHeadDimension) {
  for (std::int64_t dim = 1; dim <= 256; dim += amx_hardware() != nullptr ? 1 : 9) {
    SCOPED_TRACE(dim);
    const OwnedProblem owned = gaussian_problem(
        {.queries = 20, .keys = 70, .head_dim = dim, .value_dim = 1 + (dim * 37) % 256}, 1,
        type_of(static_cast<std::uint64_t>(dim)));
    const ReferenceAttention reference(owned.problem);
    const TileEngineScope scope(amx_hardware() != nullptr ? *amx_hardware()
                                                          : kernels::model_engine());
    for (const std::string& spec : {kSplit3, kSplit6}) {
      const SplitRun run = run_split(owned.problem, spec);
      EXPECT_TRUE(is_split(run.forward.report));
      expect_bounded(owned.problem, run, reference);
    }
    if (HasFailure()) return;
  }
}

// Scores as they come, times 4 and times 16: relative Frobenius errors, where bf16 has 2e-3.
TEST(ExactSplit, ErrorsOnGaussianData) {
  const double most[2][3] = {{1.5e-5, 3e-5, 1e-4}, {1.5e-6, 2.5e-6, 6e-6}};
  for (int times = 0; times < 3; ++times)
    for (const Causal causal : {Causal::none, Causal::top_left}) {
      OwnedProblem owned = gaussian_problem({.queries = 96, .keys = 400, .head_dim = 64}, 2,
                                            DType::f32, std::ldexp(1.0, times));
      owned.problem.causal = causal;
      const ReferenceAttention reference(owned.problem);
      const std::string* specs[] = {&kSplit3, &kSplit6};
      for (int i = 0; i < 2; ++i) {
        const SplitRun run = expect_exact(owned.problem, *specs[i]);
        const double error = relative_error(run.forward.out, reference.out);
        EXPECT_LE(error, most[i][times]) << *specs[i] << " times " << times;
        EXPECT_GT(run.forward.report.estimated_error, error);
        RecordProperty(fmt::format("{}_{}", i, times), fmt::format("{}", error));
      }
    }
}

// bf16's own numbers cost nothing but their weights' second piece, f16's no lo.
TEST(ExactSplit, NarrowTypesAreSplitExactly) {
  for (const DType type : {DType::bf16, DType::f16}) {
    const OwnedProblem owned =
        gaussian_problem({.queries = 100, .keys = 300, .head_dim = 64}, 3, type);
    const SplitRun run = expect_exact(owned.problem, kSplit6);
    EXPECT_LE(relative_error(run.forward.out, ReferenceAttention(owned.problem).out), 1.5e-6);
  }
}

TEST(ExactSplit, MaximumThatNeverStopsRising) {
  for (const double slope : {0.02, 0.3, 5.0, -5.0}) {
    OwnedProblem owned = gaussian_problem({.queries = 40, .keys = 900, .head_dim = 16}, 3);
    for (std::int64_t i = 0; i < 40; ++i) owned.query.set(0, 0, i, 0, 1.0 + 0.1 * double(i % 7));
    for (std::int64_t j = 0; j < 900; ++j) owned.key.set(0, 0, j, 0, slope * double(j));
    for (const float scale : {1.0F, -1.0F}) {
      owned.problem.scale = scale;
      expect_exact(owned.problem, kSplit3);
    }
  }
}

TEST(ExactSplit, NumbersBeyondTheLimitsGoTheOtherWay) {
  for (const double size : {2e3, 1e6, 1e18, 1e30, 3.39e38}) {
    OwnedProblem owned = gaussian_problem({.queries = 30, .keys = 90, .head_dim = 8}, 6);
    owned.key.set(0, 0, 17, 3, std::min(size, 1e30));
    owned.query.set(0, 0, 11, 2, -std::min(size, 1e30));
    owned.value.set(0, 0, 4, 1, size);
    expect_exact(owned.problem, kSplit3);
    owned.problem.scale = static_cast<float>(1e-3 / size);
    expect_exact(owned.problem, kSplit6);
  }
}

TEST(ExactSplit, TinyValuesStayWithinTheBound) {
  for (const double size : {1e-15, 1e-25, 1e-36}) {
    OwnedProblem owned = gaussian_problem({.queries = 30, .keys = 90, .head_dim = 8}, 6);
    Draw draw(7);
    owned.value.fill([&] { return size * draw.normal(); });
    expect_exact(owned.problem, kSplit3);
  }
}

TEST(ExactSplitPoison, ReachesTheRowsThatSeeIt) {
  for (const std::uint64_t seed : Seeds(9800, 100)) {
    if (HasFailure()) return;
    OwnedProblem random = random_problem(seed, type_of(seed), kSmall);
    SCOPED_TRACE(random.description);
    Draw draw(seed);
    const double value = draw.one_of({std::nan(""), HUGE_VAL, -HUGE_VAL, 1e30});
    TensorBuffer& tensor = draw.one_of({&random.query, &random.key, &random.value})[0];
    poison(draw, tensor, value);
    const bool any = &tensor == &random.value || !std::isnan(value);
    expect_exact(random.problem, kSplit3, any ? NonFinite::any : NonFinite::exact);
  }
}

// Bits, bounds and ways alike.
TEST(ExactSplitPoison, WhatIsHiddenChangesNoBit) {
  for (const std::string& spec : {kSplit3, kSplit6, std::string("exact(error=4e-4,certify=0)")})
    for (const double value : {std::nan(""), HUGE_VAL, 1e30, 30.0}) {
      OwnedProblem owned = gaussian_problem({.queries = 70, .keys = 200, .head_dim = 32}, 7);
      std::vector<std::uint8_t> mask(200, 1);
      for (std::size_t j = 150; j < 200; ++j) mask[j] = 0;
      owned.problem.mask = {MaskKind::boolean, mask.data(), {1, 1, 1, 200}, {200, 200, 200, 1}};
      on_every_tile_engine([&] {
        const SplitRun before = run_split(owned.problem, spec);
        for (std::int64_t j = 150; j < 200; j += 7) {
          owned.key.set(0, 0, j, 5, value);
          owned.value.set(0, 0, j, 6, value);
        }
        expect_same_split(before, run_split(owned.problem, spec));
      });
    }
}

TEST(ExactSplitPoison, LaterTokensChangeNoBit) {
  OwnedProblem owned = gaussian_problem({.queries = 150, .keys = 150, .head_dim = 32}, 8);
  owned.problem.causal = Causal::top_left;
  on_every_tile_engine([&] {
    const SplitRun before = run_split(owned.problem, "exact(error=4e-4,certify=0)");
    for (std::int64_t j = 100; j < 150; ++j) owned.key.set(0, 0, j, 3, 40.0);
    const SplitRun after = run_split(owned.problem, "exact(error=4e-4,certify=0)");
    for (std::int64_t i = 0; i < 100; ++i)
      for (std::int64_t c = 0; c < 32; ++c)
        ASSERT_EQ(before.forward.out.get(0, 0, i, c), after.forward.out.get(0, 0, i, c)) << i;
  });
}

TEST(ExactSplitMasks, EmptyRowsAndExtremeMasks) {
  const std::vector<float> sink{0.5F};
  for (const float hidden : {-infinity, -3.4e38F, -1e7F, -1e4F, 3.4e38F, std::nanf("")}) {
    OwnedProblem owned = gaussian_problem({.queries = 40, .keys = 100, .head_dim = 8}, 8);
    std::vector<float> additive(4000, 0.0F);
    std::fill(additive.begin(), additive.begin() + 1000, hidden);
    for (std::size_t i = 1000; i < 3000; i += 3) additive[i] = hidden;
    owned.problem.mask = {
        MaskKind::additive, additive.data(), {1, 1, 40, 100}, {4000, 4000, 100, 1}};
    SCOPED_TRACE(hidden);
    for (const float scale : {0.35F, -0.35F}) {
      owned.problem.scale = scale;
      owned.problem.sink_logits = {};
      expect_exact(owned.problem, kSplit3);
      owned.problem.sink_logits = sink;
      expect_exact(owned.problem, kSplit6);
    }
  }
}

TEST(ExactSplitInvariance, ThreadsAndBatchesGiveTheSameBits) {
  OwnedProblem owned = gaussian_problem(
      {.batch = 2, .heads = 2, .kv_heads = 1, .queries = 120, .keys = 150, .head_dim = 40}, 10);
  owned.problem.causal = Causal::bottom_right;
  Problem first = owned.problem;
  for (TensorView* view : {&first.query, &first.key, &first.value}) view->shape[0] = 1;
  for (const std::string& spec : {kSplit3, std::string("exact(error=3e-4,certify=0)")})
    on_every_tile_engine([&] {
      const SplitRun all = run_split(owned.problem, spec, 1);
      for (const int threads : {2, 7}) {
        const SplitRun again = run_split(owned.problem, spec, threads);
        expect_same_split(all, again);
        EXPECT_EQ(all.forward.report.estimated_error, again.forward.report.estimated_error);
      }
      const SplitRun alone = run_split(first, spec);
      alone.forward.out.for_each([&](auto b, auto h, auto i, auto c) {
        ASSERT_EQ(alone.forward.out.get(b, h, i, c), all.forward.out.get(b, h, i, c));
      });
    });
}

TEST(ExactSplitInvariance, SplitKeysGiveTheSameBitsForAnyThreads) {
  if (amx_hardware() == nullptr) GTEST_SKIP() << "too slow on the model";
  const OwnedProblem owned = gaussian_problem({.queries = 40, .keys = 20'000, .head_dim = 64}, 11);
  const TileEngineScope scope(*amx_hardware());
  for (const std::string& spec : {kSplit3, std::string("exact(error=2e-4,certify=0)")}) {
    const SplitRun single = run_split(owned.problem, spec, 1);
    EXPECT_TRUE(is_split(single.forward.report));
    for (const int threads : {2, 5})
      expect_same_split(single, run_split(owned.problem, spec, threads));
    expect_bounded(owned.problem, single, ReferenceAttention(owned.problem));
  }
}

// One query in four is 30 or 300 times as long: it goes the next ways, and no row is beyond the
// tolerance.
TEST(ExactSplitTolerance, EachRowGoesTheCheapestWayThatHolds) {
  OwnedProblem owned = gaussian_problem({.queries = 80, .keys = 200, .head_dim = 32}, 12);
  for (std::int64_t i = 0; i < 80; i += 4)
    for (std::int64_t c = 0; c < 32; ++c)
      owned.query.set(0, 0, i, c, (i % 8 == 0 ? 30 : 300) * owned.query.get(0, 0, i, c));
  double largest = 0;  // |v|_2
  for (std::int64_t j = 0; j < 200; ++j) {
    double square = 0;
    for (std::int64_t c = 0; c < 32; ++c) square += std::pow(owned.value.get(0, 0, j, c), 2);
    largest = std::max(largest, std::sqrt(square));
  }
  struct Case {
    double error;
    const char* path;
  };
  for (const Case& wanted : {Case{1e-2, "exact:split3-model+split6-model"},
                             Case{4e-4, "exact:split3-model+split6-model+f32"},
                             Case{1e-5, "exact:split6-model+f32"}, Case{1e-7, "exact:packed"}}) {
    const TileEngineScope scope(kernels::model_engine());
    const SplitRun run =
        run_split(owned.problem, fmt::format("exact(error={},certify=0)", wanted.error));
    EXPECT_EQ(run.forward.report.path, wanted.path);
    run.row_error.for_each([&](auto b, auto h, auto i, auto c) {
      EXPECT_LE(run.row_error.get(b, h, i, c), 1.001 * wanted.error * largest);
    });
    expect_bounded(owned.problem, run, ReferenceAttention(owned.problem));
  }
}

// The rounding of bf16 weights is within 2 %, not within 1 %.
TEST(ExactSplitTolerance, Bf16StaysWhereItsErrorIsAllowed) {
  const OwnedProblem owned =
      gaussian_problem({.queries = 40, .keys = 90, .head_dim = 32}, 13, DType::bf16);
  const TileEngineScope scope(kernels::model_engine());
  const auto path = [&](const char* spec) {
    return run_split(owned.problem, spec).forward.report.path;
  };
  EXPECT_EQ(path("exact(error=0.02)"), "exact:bf16-model");
  EXPECT_EQ(path("exact(error=0.01)"), "exact:split3-model");
  EXPECT_EQ(path("exact(precision=f32)"), "exact:bf16-model");
}

TEST(ExactSplitPath, FewRowsAndMachinesWithoutAMatrixUnitRunInF32) {
  const auto path = [](std::int64_t queries) {
    const OwnedProblem owned =
        gaussian_problem({.queries = queries, .keys = 50, .head_dim = 8}, 12);
    return run_split(owned.problem, "exact(precision=split3)").forward.report.path;
  };
  on_every_tile_engine([&] {
    EXPECT_NE(path(17).find("exact:split3-"), std::string::npos);
    EXPECT_EQ(path(16), "exact:packed");
  });
  kernels::TileEngine slow = kernels::model_engine();
  slow.matrix_unit = false;  // like dot products
  const TileEngineScope scope(slow);
  EXPECT_EQ(path(100), "exact:packed");
}

TEST(ExactSplitPath, TheDefaultIsF32) {
  const OwnedProblem owned = gaussian_problem({.queries = 100, .keys = 90, .head_dim = 32}, 13);
  on_every_tile_engine([&] {
    const SplitRun plain = run_split(owned.problem, "exact");
    EXPECT_EQ(plain.forward.report.path, "exact:packed");
    EXPECT_TRUE(std::isnan(plain.forward.report.estimated_error));
    expect_same_split(plain, run_split(owned.problem, "exact(precision=f32,error=0)"));
  });
}

TEST(ExactSplitPath, OneOfPrecisionAndError) {
  const OwnedProblem owned = gaussian_problem({.queries = 4, .keys = 4}, 13);
  expect_invalid("exact: give `precision` or `error`, not both",
                 [&] { run_split(owned.problem, "exact(precision=split3,error=0.1)"); });
}

TEST(ExactSplitCertificate, HoldsTheBoundAndCountsWhatStoringRoundsOff) {
  const OwnedProblem owned = gaussian_problem({.queries = 120, .keys = 300, .head_dim = 64}, 14);
  on_every_tile_engine([&] {
    for (const DType type : {DType::f32, DType::f16, DType::bf16}) {
      const Report report =
          run_split(owned.problem, "exact(precision=split3)", 1, type).forward.report;
      EXPECT_EQ(report.path.find("f32"), std::string::npos) << report.path;
      EXPECT_EQ(report.certificate.rows, 59);
      EXPECT_GT(report.certificate.rel_fro, 0);
      if (type == DType::f32) {
        EXPECT_LT(report.certificate.rel_fro, report.estimated_error);
      }
    }
    EXPECT_EQ(run_split(owned.problem, kSplit3).forward.report.certificate.rows, 0);
  });
}

// An engine that forgets a product.
TEST(ExactSplitCertificate, FindsAnEngineThatBreaksTheBound) {
  const OwnedProblem owned = gaussian_problem({.queries = 120, .keys = 300, .head_dim = 64}, 15);
  kernels::TileEngine wrong = kernels::model_engine();
  wrong.split_scores = [](const kernels::SplitScoreStep& step) {
    kernels::PieceProducts fewer = step.products;
    fewer.count = 1;
    kernels::model_engine().split_scores({step.queries, step.keys, step.depth, fewer, step.scores});
  };
  const SplitRun f32 = run_split(owned.problem, "exact");
  const TileEngineScope scope(wrong);
  const SplitRun run = run_split(owned.problem, "exact(precision=split3)");
  EXPECT_EQ(run.forward.report.path, "exact:split3-model|f32 after all");
  EXPECT_EQ(run.forward.out.words(), f32.forward.out.words());
  EXPECT_EQ(run.row_error.words(), f32.row_error.words());
  EXPECT_EQ(run.forward.report.estimated_error, 0);
}

TEST(ExactSplitBackward, RunsInF32) {
  const OwnedProblem owned = gaussian_problem({.queries = 60, .keys = 90, .head_dim = 32}, 16);
  const Upstream upstream = random_upstream(owned.problem, 2, DType::f32);
  const ReferenceAttention reference(owned.problem);
  const auto expected = reference.backward(read_tensor(upstream.out.view()), upstream.dense_lse());
  on_every_tile_engine([&] {
    const SplitRun run = run_split(owned.problem, kSplit3);
    ASSERT_TRUE(is_split(run.forward.report));
    BackwardRun back = run_backward(owned.problem, run.forward, upstream);
    const BackwardArguments arguments = backward_arguments(run.forward, upstream, back);
    const Report report = attend_backward(owned.problem, kSplit3, arguments, {});
    EXPECT_EQ(report.path, "exact:backward");
    EXPECT_LE(relative_error(back.query, expected.query), 5e-5);
    EXPECT_LE(relative_error(back.key, expected.key), 5e-5);
    EXPECT_LE(relative_error(back.value, expected.value), 5e-5);
  });
}

}  // namespace
}  // namespace subquad::testing
