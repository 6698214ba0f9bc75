// exact(skip=..): what rows drop, by the definition, and that it costs no more than the bound says.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "rows/tile_sizes.h"
#include "support/backward.h"
#include "support/invalid.h"
#include "support/isa.h"
#include "support/random_problem.h"
#include "support/reference_attention.h"
#include "support/seeds.h"
#include "support/split_forward.h"

namespace subquad::testing {
namespace {

std::string skip_spec(double tau, bool strict = true) {
  return fmt::format("exact(skip={},strict={},certify=0)", tau, strict);
}

// |out - exact|_2 over the finite rows, less the row's bound: the largest.
double most_over(const SplitRun& run, const ReferenceAttention& reference) {
  double most = -HUGE_VAL;
  run.row_error.for_each([&](auto b, auto h, auto i, auto) {
    double square = 0;
    for (std::int64_t c = 0; c < run.forward.out.shape()[3]; ++c)
      square += std::pow(run.forward.out.get(b, h, i, c) - reference.out.row(b, h, i)[c], 2);
    const double bound = run.row_error.get(b, h, i, 0);
    EXPECT_FALSE(std::isnan(bound));
    if (std::isfinite(square)) most = std::max(most, std::sqrt(square) - bound);
  });
  return most;
}

// Where nothing is dropped f32's own error counts.
double in_f32(const Problem& problem, const ReferenceAttention& reference) {
  return 2e-6 * std::max(1.0, reference.max_score) * reference.max_value *
         std::sqrt(static_cast<double>(problem.value.channels()));
}

double mean_bound(const SplitRun& run) {
  double sum = 0, count = 0;
  run.row_error.for_each([&](auto b, auto h, auto i, auto) {
    sum += run.row_error.get(b, h, i, 0);
    ++count;
  });
  return sum / std::max(count, 1.0);
}

TEST(ExactSkip, RandomProblemsStayWithinTheBound) {
  const DType types[] = {DType::f32, DType::bf16, DType::f16};
  for (const std::uint64_t seed : Seeds(9900, 90)) {
    if (HasFailure()) return;
    const OwnedProblem random = random_problem(seed, types[seed % 3], {.max_work = 2'000'000});
    SCOPED_TRACE(random.description);
    const ReferenceAttention reference(random.problem);
    for (const double tau : {1.0, 0.05, 1e-4}) {
      const SplitRun run = run_split(random.problem, skip_spec(tau, seed % 4 != 0));
      EXPECT_LE(most_over(run, reference), in_f32(random.problem, reference)) << tau;
    }
  }
}

// Scores from tiny to huge, rising, falling and sharp.
TEST(ExactSkip, AdversarialScoresStayWithinTheBound) {
  bool dropped[2] = {};
  for (const double slope : {0.0, 0.001, 0.05, -0.05, -1.0, 20.0, -20.0})
    for (const double spread : {0.01, 1.0, 5.0}) {
      OwnedProblem owned =
          gaussian_problem({.queries = 40, .keys = 2300, .head_dim = 16}, 3, DType::f32, spread);
      for (std::int64_t i = 0; i < 40; ++i) owned.query.set(0, 0, i, 0, 1.0 + 0.1 * double(i % 7));
      for (std::int64_t j = 0; j < 2300; ++j) owned.key.set(0, 0, j, 0, slope * double(j));
      const ReferenceAttention reference(owned.problem);
      for (const double tau : {1.0, 0.1, 1e-3, 1e-6})
        for (const bool strict : {true, false}) {
          SCOPED_TRACE(fmt::format("slope {} spread {} tau {}", slope, spread, tau));
          const SplitRun run = run_split(owned.problem, skip_spec(tau, strict));
          EXPECT_LE(most_over(run, reference), in_f32(owned.problem, reference));
          dropped[strict ? 1 : 0] |= mean_bound(run) > 0;
        }
    }
  EXPECT_TRUE(dropped[0] && dropped[1]);
}

// What all rows of a block drop is skipped in either form; the published one drops nothing else.
TEST(ExactSkip, PublishedFormSkipsAsMuchAndDropsLess) {
  OwnedProblem owned =
      gaussian_problem({.queries = 96, .keys = 2048, .head_dim = 16}, 9, DType::f32, 1.4);
  for (std::int64_t j = 0; j < 8; ++j) owned.key.set(0, 0, j, 0, 9.0);
  for (std::int64_t i = 0; i < 96; ++i) owned.query.set(0, 0, i, 0, 3.0);
  const SplitRun strict = run_split(owned.problem, skip_spec(0.2)),
                 published = run_split(owned.problem, skip_spec(0.2, false));
  const auto percent = [](const SplitRun& run) {
    const std::string& path = run.forward.report.path;
    return path.substr(0, path.find(" of"));
  };
  EXPECT_EQ(percent(strict), percent(published));
  EXPECT_NE(percent(strict), "exact:skipped 0 %");
  EXPECT_TRUE(published.forward.report.path.ends_with(" % of tiles:published"));
  std::int64_t less = 0;
  strict.row_error.for_each([&](auto b, auto h, auto i, auto) {
    const double one = published.row_error.get(b, h, i, 0),
                 other = strict.row_error.get(b, h, i, 0);
    EXPECT_LE(one, 1.1 * other) << i;
    less += one < 0.99 * other ? 1 : 0;
  });
  EXPECT_GT(less, 0);
  // A row alone agrees with itself.
  const OwnedProblem row = gaussian_problem({.keys = 2048, .head_dim = 16}, 9, DType::f32, 2);
  EXPECT_EQ(run_split(row.problem, skip_spec(0.2)).forward.out.words(),
            run_split(row.problem, skip_spec(0.2, false)).forward.out.words());
}

// Values are the identity: out holds the weights. A tile is dropped by a row whose largest score
// there lies log(1 / tau) below the largest before it.
TEST(ExactSkip, RowsDropTheTilesOfTheDefinition) {
  const std::int64_t n = 500, dim = 8;
  OwnedProblem owned = gaussian_problem({.queries = 90, .keys = n, .head_dim = dim}, 7);
  owned.value = TensorBuffer(DType::f32, {1, 1, n, n});
  owned.value.for_each(
      [&](auto b, auto h, auto j, auto c) { owned.value.set(b, h, j, c, j == c ? 1.0 : 0.0); });
  owned.problem.value = owned.value.view();
  owned.problem.causal = Causal::bottom_right;
  const std::int64_t tile = std::min<std::int64_t>(key_tile_size(dim, n), 128);
  const double tau = 0.2;
  const SplitRun exact = run_split(owned.problem, "exact"),
                 run = run_split(owned.problem, skip_spec(tau));
  std::int64_t dropped = 0, ties = 0;
  for (std::int64_t i = 0; i < 90; ++i) {
    const std::int64_t end = n - 90 + i + 1;
    const auto weight = [&](std::int64_t j) { return exact.forward.out.get(0, 0, i, j); };
    std::vector<bool> kept(static_cast<std::size_t>(n), false);
    double top = 0, sum = 0;
    for (std::int64_t begin = 0; begin < end; begin += tile) {
      double here = 0;
      for (std::int64_t j = begin; j < std::min(begin + tile, end); ++j)
        here = std::max(here, weight(j));
      ties += std::fabs(here / (tau * top) - 1) < 1e-4 ? 1 : 0;
      if (begin > 0 && here <= tau * top) continue;
      top = std::max(top, here);
      for (std::int64_t j = begin; j < std::min(begin + tile, end); ++j) {
        kept[static_cast<std::size_t>(j)] = true;
        sum += weight(j);
      }
    }
    for (std::int64_t j = 0; j < end; ++j) {
      const bool keeps = kept[static_cast<std::size_t>(j)];
      dropped += keeps ? 0 : 1;
      ASSERT_NEAR(run.forward.out.get(0, 0, i, j), keeps ? weight(j) / sum : 0, 1e-5)
          << i << " " << j;
    }
  }
  EXPECT_EQ(ties, 0);
  EXPECT_GT(dropped, 1000);
}

TEST(ExactSkip, NothingToDropIsExact) {
  OwnedProblem owned =
      gaussian_problem({.heads = 2, .kv_heads = 1, .queries = 120, .keys = 900, .head_dim = 32}, 4);
  owned.problem.causal = Causal::bottom_right;
  on_every_isa([&] {
    expect_same_split(run_split(owned.problem, "exact"), run_split(owned.problem, "exact(skip=0)"));
    const SplitRun run = run_split(owned.problem, skip_spec(1e-30));
    expect_forward(owned.problem, run.forward, ReferenceAttention(owned.problem));
    EXPECT_EQ(mean_bound(run), 0);
  });
}

// The first keys are the largest: most tiles are dropped, and the path says so.
OwnedProblem sink_problem(std::int64_t queries = 200, std::int64_t keys = 4000) {
  OwnedProblem owned = gaussian_problem({.queries = queries, .keys = keys, .head_dim = 16}, 6);
  for (std::int64_t i = 0; i < queries; ++i) owned.query.set(0, 0, i, 0, 4.0);
  for (std::int64_t j = 0; j < 4; ++j) owned.key.set(0, 0, j, 0, 14.0);
  return owned;
}

TEST(ExactSkip, CountsWhatItSkips) {
  const OwnedProblem owned = sink_problem();
  const SplitRun run = run_split(owned.problem, "exact(skip=0.01)");
  const Report& report = run.forward.report;
  EXPECT_EQ(report.path, "exact:skipped 97 % of tiles");  // all but 128 of 4,000 keys
  EXPECT_EQ(report.certificate.rows, 59);
  EXPECT_GT(report.estimated_error, report.certificate.rel_fro);
  EXPECT_LT(report.estimated_error, 0.1);
  EXPECT_EQ(run_split(owned.problem, "exact(skip=1e-30)").forward.report.path,
            "exact:skipped 0 % of tiles");
}

TEST(ExactSkipThreads, AndBatchesGiveTheSameBits) {
  OwnedProblem owned = gaussian_problem(
      {.batch = 2, .heads = 2, .kv_heads = 1, .queries = 150, .keys = 1500, .head_dim = 40}, 10,
      DType::f32, 1.5);
  owned.problem.causal = Causal::bottom_right;
  const SplitRun all = run_split(owned.problem, skip_spec(0.1), 1);
  EXPECT_GT(mean_bound(all), 0);
  for (const int threads : {2, 7})
    expect_same_split(run_split(owned.problem, skip_spec(0.1, false), 1),
                      run_split(owned.problem, skip_spec(0.1, false), threads));
  for (const int threads : {2, 3, 7}) {
    const SplitRun again = run_split(owned.problem, skip_spec(0.1), threads);
    expect_same_split(all, again);
    EXPECT_EQ(all.forward.report.estimated_error, again.forward.report.estimated_error);
  }
  Problem first = owned.problem;
  for (TensorView* view : {&first.query, &first.key, &first.value}) view->shape[0] = 1;
  const SplitRun alone = run_split(first, skip_spec(0.1));
  alone.forward.out.for_each([&](auto b, auto h, auto i, auto c) {
    ASSERT_EQ(alone.forward.out.get(b, h, i, c), all.forward.out.get(b, h, i, c));
  });
}

// One row, whose keys are cut into runs.
TEST(ExactSkipThreads, SplitKeysStayWithinTheBound) {
  const OwnedProblem owned = sink_problem(3, 40'000);
  const SplitRun single = run_split(owned.problem, skip_spec(0.3));
  EXPECT_NE(single.forward.report.path.find(":split"), std::string::npos);
  EXPECT_GT(mean_bound(single), 0);
  const ReferenceAttention reference(owned.problem);
  EXPECT_LE(most_over(single, reference), in_f32(owned.problem, reference));
  for (const int threads : {2, 5})
    expect_same_split(single, run_split(owned.problem, skip_spec(0.3), threads));
}

TEST(ExactSkipPoison, LaterTokensChangeNoBit) {
  for (const double value : {40.0, 1e30, std::nan(""), HUGE_VAL}) {
    OwnedProblem owned =
        gaussian_problem({.queries = 600, .keys = 600, .head_dim = 32}, 8, DType::f32, 1.5);
    owned.problem.causal = Causal::top_left;
    const SplitRun before = run_split(owned.problem, skip_spec(0.3));
    EXPECT_GT(mean_bound(before), 0);
    for (std::int64_t j = 530; j < 600; ++j) {
      owned.key.set(0, 0, j, 3, value);
      owned.value.set(0, 0, j, 3, value);
      owned.query.set(0, 0, j, 3, value);
    }
    const SplitRun after = run_split(owned.problem, skip_spec(0.3));
    for (std::int64_t i = 0; i < 530; ++i) {
      ASSERT_EQ(before.row_error.get(0, 0, i, 0), after.row_error.get(0, 0, i, 0)) << i;
      for (std::int64_t c = 0; c < 32; ++c)
        ASSERT_EQ(before.forward.out.get(0, 0, i, c), after.forward.out.get(0, 0, i, c)) << i;
    }
  }
}

TEST(ExactSkipPoison, HiddenKeysChangeNoBit) {
  OwnedProblem owned = sink_problem(70, 1500);
  std::vector<std::uint8_t> mask(1500, 1);
  for (std::size_t j = 700; j < 1500; j += 3) mask[j] = 0;
  owned.problem.mask = {MaskKind::boolean, mask.data(), {1, 1, 1, 1500}, {1500, 1500, 1500, 1}};
  const SplitRun before = run_split(owned.problem, skip_spec(0.05));
  EXPECT_GT(mean_bound(before), 0);
  for (const double value : {std::nan(""), HUGE_VAL, 1e30, 30.0}) {
    for (std::int64_t j = 700; j < 1500; j += 3) {
      owned.key.set(0, 0, j, 5, value);
      owned.value.set(0, 0, j, 6, value);
    }
    expect_same_split(before, run_split(owned.problem, skip_spec(0.05)));
  }
}

// A value that is not finite is dropped by no row that sees it, whatever its weight.
TEST(ExactSkipPoison, SeenValuesThatAreNotFiniteShow) {
  OwnedProblem owned = sink_problem(70, 1500);
  owned.problem.causal = Causal::bottom_right;
  owned.value.set(0, 0, 1460, 2, std::nan(""));
  const SplitRun run = run_split(owned.problem, skip_spec(0.05));
  for (std::int64_t i = 0; i < 70; ++i)
    EXPECT_EQ(std::isnan(run.forward.out.get(0, 0, i, 2)), 1430 + i >= 1460) << i;
}

TEST(ExactSkip, ErrorsAreNamed) {
  const OwnedProblem owned = gaussian_problem({.queries = 4, .keys = 4}, 13);
  const auto refuse = [&](const std::string& what, const std::string& spec) {
    expect_invalid(what, [&] { run_split(owned.problem, spec); });
  };
  refuse("exact: give `skip`, or one of `precision` and `error`", "exact(skip=0.1,error=0.1)");
  refuse("skip = 2", "exact(skip=2)");
  refuse("skip = nan", "exact(skip=nan)");
  const Upstream upstream = random_upstream(owned.problem, 2, DType::f32);
  const SplitRun run = run_split(owned.problem, skip_spec(0.1));
  BackwardRun back = run_backward(owned.problem, run.forward, upstream);
  const BackwardArguments arguments = backward_arguments(run.forward, upstream, back);
  expect_invalid("exact(skip=..): has no gradient",
                 [&] { attend_backward(owned.problem, "exact(skip=0.1)", arguments, {}); });
}

}  // namespace
}  // namespace subquad::testing
