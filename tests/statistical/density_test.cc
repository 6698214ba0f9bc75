// Densities by samples: right on average, and in their intervals as often as these say.
//
// Six checks of means, 7 standard errors each (3e-12 for a normal mean: every mean is of 400 seeds
// with 64 points or tables and more), and four of coverage (bounds.h): false alarm below 1e-9.
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "statistical/bounds.h"
#include "subquad/density.h"
#include "support/density_cloud.h"

namespace subquad::testing {
namespace {

constexpr int kSeeds = 400;

// The mean over seeds, each with one query of its own scene's fixed ones.
void check_unbiased(const std::string& method, double sigma) {
  SCOPED_TRACE(method);
  const PointRows points = mixture(1500, 3, 1), queries = mixture(5, 3, 2);
  const std::array one{sigma};
  const std::vector<double> wanted = plain_densities(points, queries, one);
  std::vector<double> sum(5), square(5);
  for (int seed = 0; seed < kSeeds; ++seed) {
    const DensityResult found =
        densities(points, queries, one, {.method = method}, static_cast<std::uint64_t>(seed));
    for (std::size_t q = 0; q < 5; ++q) {
      const double off = found.value[q] - wanted[q];
      sum[q] += off / kSeeds;
      square[q] += off * off / kSeeds;
    }
  }
  double mean = 0, variance = 0;
  for (std::size_t q = 0; q < 5; ++q) {
    mean += sum[q] / wanted[q];
    variance += std::sqrt(square[q]) / wanted[q];  // of dependent queries: deviations add up
  }
  const double error = variance / std::sqrt(kSeeds);
  EXPECT_LT(std::abs(mean), 7 * error + 1e-5);
  // The check means something: an estimate that is off by a quarter fails it.
  EXPECT_LT(7 * error, 5 * 0.25);
}

TEST(DensityBias, NoneForAFixedSample) {
  check_unbiased("sampled(m=128)", 1.5);
  check_unbiased("deann(k=1,m=128)", 1.0);
  check_unbiased("deann(k=150,m=256)", 0.7);
}

TEST(DensityBias, NoneForHashedSamples) {
  check_unbiased("hbe(tables=64,groups=1,samples=1,mu=0.02)", 1.5);
  check_unbiased("hbe(tables=64,groups=1,samples=16,mu=0.02)", 1.5);
  check_unbiased("ckns(mu=0.05,recall=0.5)", 1.5);
}

// How many of 1,000 seeds' intervals hold the density of one query.
std::int64_t covered(const std::string& method, double sigma, double rel_error) {
  const PointRows points = mixture(3000, 3, 3), query = mixture(1, 3, 4);
  const std::array one{sigma};
  const double wanted = plain_densities(points, query, one)[0];
  std::int64_t held = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const DensityResult found =
        densities(points, query, one, {.rel_error = rel_error, .method = method}, seed);
    EXPECT_EQ(found.report.unmet, 0);
    held += std::abs(found.value[0] - wanted) <= found.error[0] + 1e-5 * wanted;
  }
  return held;
}

// Of intervals that should hold in 95 % of cases, at least 90 % do: samples stop where their
// interval is narrow by chance.
TEST(DensityIntervals, HoldAsOftenAsTheySay) {
  for (const char* method : {"sampled", "deann(k=20)"}) {
    SCOPED_TRACE(method);
    const std::int64_t held = covered(method, 1.5, 0.2);
    EXPECT_TRUE(held >= 900 || binomial_plausible(held, 1000, 0.9)) << held;
  }
  const std::int64_t rare = covered("sampled", 0.4, 0.3);
  EXPECT_TRUE(rare >= 900 || binomial_plausible(rare, 1000, 0.9)) << rare;
  const std::int64_t bernstein = covered("sampled(bars=bernstein)", 2.5, 0.5);
  EXPECT_TRUE(bernstein >= 950 || binomial_plausible(bernstein, 1000, 0.95)) << bernstein;
}

}  // namespace
}  // namespace subquad::testing
