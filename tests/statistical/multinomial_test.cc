// Draws with replacement by their numbers: the multinomial distribution, and samples of more draws
// than keys that cost no more than the keys and stay unbiased.
//
// False alarms: fewer than 400 checks by proved bounds (bounds.h) or by the tail bound of Laurent
// and Massart, each at 1e-10: below 4e-8 in all.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "core/sampling.h"
#include "light/sampled/row_norm_sample.h"
#include "statistical/bounds.h"
#include "subquad/attention.h"
#include "support/forward.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

std::vector<std::int64_t> counts_of(const std::vector<double>& weights, std::int64_t m,
                                    std::uint64_t seed) {
  return multinomial_counts(weights, m, Rng(seed, 3), Purpose::sample, 7);
}

double binomial_mass(std::int64_t m, std::int64_t k, double p) {
  double mass = std::pow(1 - p, static_cast<double>(m));
  for (std::int64_t i = 0; i < k; ++i)
    mass *= static_cast<double>(m - i) / static_cast<double>(i + 1) * p / (1 - p);
  return mass;
}

// Every number of every position, against its binomial chance.
void check_marginals(const std::vector<double>& weights, std::int64_t m) {
  constexpr std::int64_t draws = 20'000;
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<std::vector<std::int64_t>> seen(
      weights.size(), std::vector<std::int64_t>(static_cast<std::size_t>(m) + 1));
  for (std::uint64_t seed = 0; seed < draws; ++seed) {
    const auto counts = counts_of(weights, m, seed);
    ASSERT_EQ(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}), m);
    for (std::size_t j = 0; j < counts.size(); ++j) ++seen[j][static_cast<std::size_t>(counts[j])];
  }
  for (std::size_t j = 0; j < weights.size(); ++j)
    for (std::int64_t k = 0; k <= m; ++k)
      EXPECT_TRUE(binomial_plausible(seen[j][static_cast<std::size_t>(k)], draws,
                                     binomial_mass(m, k, weights[j] / total)))
          << j << " " << k;
}

TEST(MultinomialCounts, FollowTheBinomialLawAtEveryPosition) {
  check_marginals({1, 1, 1, 1, 1}, 12);
  check_marginals({5, 1, 0.5, 20}, 15);
  check_marginals({1e-3, 1, 1}, 9);
}

// Squared deviations over their variance: chi-square.
TEST(MultinomialCounts, SpreadAsMillionsOfDraws) {
  constexpr double n = 64, m = 1e7, draws = 300;
  double sum = 0;
  for (std::uint64_t seed = 0; seed < std::uint64_t{300}; ++seed)
    for (const std::int64_t count : counts_of(std::vector<double>(64, 1.0), 10'000'000, seed))
      sum += std::pow(static_cast<double>(count) - m / n, 2) / (m / n);
  const double freedom = draws * (n - 1), x = std::log(2 / false_alarm);
  EXPECT_LE(sum, freedom + 2 * std::sqrt(freedom * x) + 2 * x);
  EXPECT_GE(sum, freedom - 2 * std::sqrt(freedom * x));
}

TEST(MultinomialCounts, PositionsWithoutWeightStayEmpty) {
  const auto counts = counts_of({0, 2, 0, 1, 0}, 1'000'000'000, 1);
  EXPECT_EQ(counts[0] + counts[2] + counts[4], 0);
  EXPECT_EQ(counts[1] + counts[3], 1'000'000'000);
}

// E exp(lse) is the row's sum of weights: `draws` seeds of a sample of m > n draws.
void check_unbiased(const char* spec, double m) {
  constexpr std::int64_t keys = 40, draws = 3000;
  const OwnedProblem owned = gaussian_problem({.queries = 1, .keys = keys, .head_dim = 4}, 8);
  const double expected = std::exp(run_forward(owned.problem, DType::f32).lse.get(0, 0, 0, 0));
  double sum = 0, largest = 0;
  for (std::int64_t c = 0; c < keys; ++c) {
    double dot = 0;
    for (std::int64_t d = 0; d < 4; ++d)
      dot += owned.query.get(0, 0, 0, d) * owned.key.get(0, 0, c, d);
    largest = std::max(largest, std::exp(dot / 2));
  }
  TensorBuffer out(DType::f32, {1, 1, 1, 4}), lse(DType::f32, {1, 1, 1, 1});
  for (std::uint64_t seed = 0; seed < draws; ++seed) {
    Options options;
    options.seed = seed;
    attend(owned.problem, spec, {out.mutable_view(), lse.mutable_view(), {}}, options);
    sum += std::exp(lse.get(0, 0, 0, 0));
  }
  // Each of the m draws adds at most keys * largest / m; the mean of all seeds has draws * m of
  // them.
  const double range = keys * largest;
  EXPECT_NEAR(sum / draws, expected,
              mean_deviation_limit(range * expected, range, static_cast<std::int64_t>(draws * m)) +
                  1e-5 * expected);
}

TEST(MoreDrawsThanKeys, SumsOfWeightsAreUnbiased) {
  check_unbiased("uniform(m=90,replace=true)", 90);
  check_unbiased("rownorm(m=90,d=90,replace=true)", 90);
  check_unbiased("approxd(m=90,cap=0,floor=false)", 90);
}

TEST(MoreDrawsThanKeys, ValuesByRowNormAreUnbiased) {
  const std::vector<double> norms{1, 4, 0.25, 9, 0};
  constexpr std::int64_t m = 50, draws = 4000;
  std::vector<double> sums(norms.size(), 0.0);
  for (std::uint64_t seed = 0; seed < draws; ++seed) {
    const RowNormSample sample = sample_by_row_norm(norms, m, true, Rng(seed, 1));
    ASSERT_EQ(sample.counts.size(), sample.keys.size());
    for (std::size_t i = 0; i < sample.keys.size(); ++i)
      sums[static_cast<std::size_t>(sample.keys[i])] +=
          sample.weights[i] * static_cast<double>(sample.counts[i]);
  }
  const double total = 14.25;
  for (std::size_t j = 0; j + 1 < norms.size(); ++j) {
    const double p = norms[j] / total;  // a draw adds 1 / p with chance p
    EXPECT_NEAR(sums[j] / draws, 1.0, mean_deviation_limit(1 / p, 1 / p, draws * m)) << j;
  }
  EXPECT_EQ(sums[4], 0.0);
}

// Bounded by the keys: entries as for m = n, whatever m.
TEST(MoreDrawsThanKeys, CostNoMoreThanTheKeys) {
  const OwnedProblem owned = gaussian_problem({.queries = 16, .keys = 64, .head_dim = 8}, 9);
  for (const char* spec :
       {"uniform(m=10000000,replace=true)", "uniform(m=1073741824,replace=true)",
        "rownorm(m=1073741824,d=1073741824,replace=true)", "approxd(m=1073741824)",
        "approxd(m=1073741824,values=1073741824,tau_samples=1073741824,cap=3)"}) {
    SCOPED_TRACE(spec);
    const ForwardRun run = run_forward(owned.problem, DType::f32, 1, {}, spec);
    EXPECT_LE(run.report.scored_entries, 4 * 16 * 64);
    EXPECT_LT(run.report.peak_extra_bytes, 1 << 20);
    EXPECT_LT(
        max_difference(run.out, read_tensor(run_forward(owned.problem, DType::f32).out.view())),
        std::string(spec).find("10000000") != std::string::npos ? 0.05 : 0.5);
  }
}

}  // namespace
}  // namespace subquad::testing
