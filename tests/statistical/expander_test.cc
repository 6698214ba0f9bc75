// What the sketches of heavy/expander_sketch.h miss.
//
// Planted columns: key c is the unit vector c, so column c of Q is the column x, which may be
// anything. Hitters lie 0.1 % above the threshold, the worst case.
//
// 1. countsketch, one level of G = width tau groups with a Gaussian tail: a hitter alone in its
//    group of n / G rows has the counter +-x + N, N Gaussian of variance |tail|^2 / G, and is
//    missed when |+-x + N| < x / 2. With a = x / sd(N): p = Phi(-a / 2) - Phi(-3 a / 2) in one
//    tree, p^r in r. Given T, the columns are independent. The law is taken for the mean tail
//    energy; over n = 4,096 rows it varies by 2.2 %, which moves p by less than a tenth of the
//    limit's width.
// 2. countsketch whatever the tail: missed with probability at most (4 / width)^r, by Chebyshev
//    (expander_tree.cc). The draws of T are independent, the columns under one T are not: the unit
//    is the share of hitters that a draw misses. Chernoff's bound holds for independent shares in
//    [0, 1] as for coins.
// 3. expander: the stated limits on its misses, in the same way.
//
// Checks: 2 of law 1, 3 of law 2, 5 of law 3: 10 at 1e-10 each, a false alarm below 1e-9 over the
// file.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "heavy/expander/expander_sketch.h"
#include "statistical/bounds.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

struct Planted {
  OwnedProblem owned;
  std::vector<std::vector<std::int64_t>> hitters;  // of each column
};

// `tail` draws the other entries. The hitters of a column are of one size, 0.1 % above the
// threshold.
Planted plant(std::int64_t rows, std::int64_t columns, std::int64_t hitters, double tau,
              std::uint64_t seed, const std::function<double(Draw&)>& tail) {
  Planted planted;
  planted.owned = gaussian_problem(
      {.queries = rows, .keys = columns, .head_dim = columns, .value_dim = 1}, seed);
  Draw draw(seed + 99);
  planted.owned.query.fill([&] { return tail(draw); });
  planted.owned.key.fill([] { return 0.0; });
  for (std::int64_t c = 0; c < columns; ++c) {
    planted.owned.key.set(0, 0, c, c, 1.0);
    std::vector<std::int64_t> at;
    while (static_cast<std::int64_t>(at.size()) < hitters) {
      const std::int64_t i = draw.integer(0, rows - 1);
      if (std::find(at.begin(), at.end(), i) == at.end()) at.push_back(i);
    }
    for (const std::int64_t i : at) planted.owned.query.set(0, 0, i, c, 0.0);
    double energy = 0;
    for (std::int64_t i = 0; i < rows; ++i)
      energy += std::pow(planted.owned.query.get(0, 0, i, c), 2);
    const double size = std::sqrt(energy / (tau / 1.001 - static_cast<double>(hitters)));
    for (const std::int64_t i : at)
      planted.owned.query.set(0, 0, i, c, draw.chance(0.5) ? size : -size);
    planted.hitters.push_back(at);
  }
  return planted;
}

// Hitters that are not listed, over all columns.
std::int64_t misses(const Planted& planted, const ExpanderOptions& options, std::uint64_t seed) {
  const HeadProblem head = split_heads(planted.owned.problem).front();
  const RowLists lists = find_heavy_hitters(head, options, Rng(seed, 0), 1);
  std::int64_t missed = 0;
  for (std::size_t c = 0; c < planted.hitters.size(); ++c)
    for (const std::int64_t i : planted.hitters[c]) {
      const auto keys = lists.row(i);
      missed += std::find(keys.begin(), keys.end(), static_cast<std::int32_t>(c)) == keys.end();
    }
  return missed;
}

double phi(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

double gaussian_tail(Draw& draw) { return draw.normal(); }
// One entry in 64 has half the energy of the rest: no bulk to average over.
double spiky_tail(Draw& draw) { return draw.chance(1.0 / 64) ? 8 * draw.normal() : draw.normal(); }
double flat_tail(Draw&) { return 1.0; }

TEST(ExpanderStatistics, CountSketchFollowsTheGaussianLaw) {
  constexpr std::int64_t rows = 4096, columns = 64, draws = 40;
  constexpr double tau = 16, width = 8;
  // x^2 = |tail|^2 / (tau / 1.001 - 1), and a group of n / G rows has (n / G - 1) / n of the tail.
  const double groups = width * tau, members = static_cast<double>(rows) / groups;
  const double tail_variance = (members - 1) / static_cast<double>(rows);
  const double a = std::sqrt(1 / (tau / 1.001 - 1) / tail_variance);
  const double p = phi(-a / 2) - phi(-3 * a / 2);
  for (const std::int64_t trees : {1, 2}) {
    ExpanderOptions options{tau, SketchMode::countsketch, 8, trees};
    std::int64_t missed = 0;
    for (std::uint64_t draw = 1; draw <= draws; ++draw)
      missed += misses(plant(rows, columns, 1, tau, draw, gaussian_tail), options, draw);
    const double expected = std::pow(p, static_cast<double>(trees));
    EXPECT_TRUE(binomial_plausible(missed, columns * draws, expected))
        << trees << " trees: " << missed << " of " << columns * draws << " for " << expected;
  }
}

// Whether independent shares in [0, 1] of this mean are plausible when each is expected to be at
// most `limit`.
bool at_most(double mean, std::int64_t draws, double limit) {
  return mean <= limit || static_cast<double>(draws) * bernoulli_divergence(mean, limit) <=
                              std::log(2 / false_alarm);
}

// The mean share of hitters missed over `draws` draws of T and x.
double mean_missed(const ExpanderOptions& options, std::int64_t hitters, std::int64_t draws,
                   const std::function<double(Draw&)>& tail) {
  constexpr std::int64_t rows = 3000, columns = 16;
  std::int64_t missed = 0;
  for (std::int64_t draw = 1; draw <= draws; ++draw) {
    const auto seed = static_cast<std::uint64_t>(draw);
    missed += misses(plant(rows, columns, hitters, options.tau, seed, tail), options, seed);
  }
  return static_cast<double>(missed) / static_cast<double>(columns * hitters * draws);
}

TEST(ExpanderStatistics, CountSketchKeepsChebyshevsBoundForAnyTail) {
  constexpr std::int64_t draws = 200;
  const ExpanderOptions options{16, SketchMode::countsketch, 16, 2};
  for (const auto& tail : {gaussian_tail, spiky_tail, flat_tail}) {
    const double missed = mean_missed(options, 4, draws, tail);
    EXPECT_TRUE(at_most(missed, draws, 1.0 / 16)) << missed;
  }
}

// The limits that docs/guide/expander.md states for mode=expander.
TEST(ExpanderStatistics, ExpanderKeepsItsLimits) {
  constexpr std::int64_t draws = 80;
  struct Limit {
    std::int64_t hitters, repetitions;
    std::function<double(Draw&)> tail;
    double missed;
  };
  for (const Limit& limit : {Limit{1, 1, gaussian_tail, 0.01}, Limit{4, 1, gaussian_tail, 0.01},
                             Limit{8, 1, gaussian_tail, 0.03}, Limit{8, 1, flat_tail, 0.03},
                             Limit{8, 2, gaussian_tail, 0.003}}) {
    const ExpanderOptions options{16, SketchMode::expander, 0, limit.repetitions};
    const double missed = mean_missed(options, limit.hitters, draws, limit.tail);
    EXPECT_TRUE(at_most(missed, draws, limit.missed))
        << limit.hitters << " hitters, " << limit.repetitions << " repetitions: " << missed;
  }
}

}  // namespace
}  // namespace subquad::testing
