// The sampled alpha: every query row equally likely, column norms without bias, the maximum over
// columns biased upwards.
//
// False alarms: every check is a proved bound (bounds.h) at 1e-10: 60 single rows, 1,770 pairs,
// 200 columns and 6 means are fewer than 3,000 checks, below 3e-7 in all.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rows/head_problem.h"
#include "diagnose/column_squares.h"
#include "core/probe_problem.h"
#include "diagnose/row_sample.h"
#include "statistical/bounds.h"
#include "subquad/probe.h"
#include "support/dense_softmax.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

TEST(RowSample, EveryRowAndEveryPairEquallyOften) {
  constexpr std::int64_t n = 60, m = 17, draws = 20'000;
  const OwnedProblem owned = gaussian_problem({.queries = n, .keys = 5}, 1);
  const std::vector<HeadProblem> heads = split_heads(owned.problem);
  std::vector<std::int64_t> single(n), pair(n * n);
  for (std::uint64_t seed = 0; seed < draws; ++seed) {
    const auto rows = sample_rows(heads[0], m, Rng(seed, 0));
    ASSERT_EQ(rows.size(), static_cast<std::size_t>(m));
    for (std::size_t a = 0; a < rows.size(); ++a) {
      ++single[static_cast<std::size_t>(rows[a])];
      for (std::size_t b = a + 1; b < rows.size(); ++b)
        ++pair[static_cast<std::size_t>(rows[a] * n + rows[b])];
    }
  }
  const double one = static_cast<double>(m) / n, two = one * (m - 1) / (n - 1);
  for (std::int64_t i = 0; i < n; ++i) {
    EXPECT_TRUE(binomial_plausible(single[static_cast<std::size_t>(i)], draws, one)) << i;
    for (std::int64_t k = i + 1; k < n; ++k)
      EXPECT_TRUE(binomial_plausible(pair[static_cast<std::size_t>(i * n + k)], draws, two))
          << i << " " << k;
  }
}

TEST(RowSample, AllHeadsOfAGroupGetTheSamePositions) {
  const OwnedProblem owned =
      gaussian_problem({.heads = 6, .kv_heads = 2, .queries = 40, .keys = 5}, 2);
  for (const HeadProblem& head : split_heads(owned.problem)) {
    const auto rows = sample_rows(head, 9, Rng(3, head.kv_head));
    ASSERT_EQ(rows.size(), 27U);
    for (std::size_t n = 0; n < 27; ++n)
      EXPECT_EQ(rows[n], rows[n - n % 3] + static_cast<std::int32_t>(n % 3));
  }
}

// Estimates of |P e_j|^2 of one column from samples of m rows: known mean, variance and range.
void check_column(const DenseHead& dense, std::int64_t j, double mean, std::int64_t m,
                  std::int64_t draws) {
  const auto n = static_cast<double>(dense.rows), count = static_cast<double>(m);
  std::vector<double> squares;
  for (std::int64_t i = 0; i < dense.rows; ++i) squares.push_back(std::pow(dense.weight(i, j), 2));
  double truth = 0, spread = 0, range = 0;
  for (const double square : squares) truth += square;
  for (const double square : squares) spread += std::pow(square - truth / n, 2) / (n - 1);
  std::sort(squares.rbegin(), squares.rend());
  for (std::int64_t i = 0; i < m; ++i) range += squares[static_cast<std::size_t>(i)] * n / count;
  const double variance = n * n / count * (1 - count / n) * spread;
  const double rounding = 1e-5 * truth;
  EXPECT_NEAR(mean, truth, mean_deviation_limit(variance, range, draws) + rounding) << j;
}

TEST(SampledColumnSquares, AreUnbiasedForEveryColumn) {
  constexpr std::int64_t m = 30, draws = 3'000;
  OwnedProblem owned = gaussian_problem({.queries = 150, .keys = 100, .head_dim = 16}, 4);
  for (const Causal causal : {Causal::none, Causal::bottom_right}) {
    owned.problem.causal = causal;
    const Problem bare = without_values(owned.problem);
    const std::vector<HeadProblem> heads = split_heads(bare);
    std::vector<double> sums(100);
    for (std::uint64_t seed = 0; seed < draws; ++seed) {
      const auto rows = sample_rows(heads[0], m, Rng(seed, 0));
      const HeadRows part{&heads[0], {rows.data(), 0, m}};
      const auto squares = column_squares({&part, 1}, 1);
      for (std::size_t j = 0; j < 100; ++j) sums[j] += squares[0][j] * 150 / m;
    }
    const std::vector<DenseHead> dense = dense_softmax(owned.problem);
    for (std::int64_t j = 0; j < 100; ++j)
      check_column(dense[0], j, sums[static_cast<std::size_t>(j)] / draws, m, draws);
  }
}

struct Bias {
  double ratio;  // mean sampled alpha over the true one
  double limit;  // what chance may do to it
};

// The sampled alpha lies in [0, n / m] times the true one, so Popoviciu bounds its variance.
Bias measure_bias(const OwnedProblem& owned, std::int64_t m, std::int64_t draws) {
  const double truth = probe_alpha(owned.problem)[0].alpha;
  double sum = 0;
  for (std::int64_t seed = 0; seed < draws; ++seed)
    sum += probe_alpha(owned.problem,
                       {.rows = m, .threads = 1, .seed = static_cast<std::uint64_t>(seed)})[0]
               .alpha /
           truth;
  const double range = static_cast<double>(owned.query.shape()[2]) / static_cast<double>(m);
  return {sum / static_cast<double>(draws), mean_deviation_limit(range * range / 4, range, draws)};
}

// Many columns near the maximum, and one key that every query likes.
TEST(SampledAlpha, MaximumIsBiasedUpwards) {
  const OwnedProblem even = gaussian_problem({.queries = 256, .keys = 256, .head_dim = 16}, 5);
  OwnedProblem peaked = gaussian_problem({.queries = 256, .keys = 256, .head_dim = 16}, 5);
  for (std::int64_t i = 0; i < 256; ++i) peaked.query.set(0, 0, i, 0, 4);
  peaked.key.set(0, 0, 9, 0, 8);
  for (const std::int64_t m : {32, 64, 128}) {
    const Bias spread = measure_bias(even, m, 4'000), single = measure_bias(peaked, m, 4'000);
    RecordProperty("even_" + std::to_string(m), std::to_string(spread.ratio));
    RecordProperty("peaked_" + std::to_string(m), std::to_string(single.ratio));
    EXPECT_GT(spread.ratio, 1 + spread.limit) << m;
    EXPECT_NEAR(single.ratio, 1, single.limit) << m;
  }
}

}  // namespace
}  // namespace subquad::testing
