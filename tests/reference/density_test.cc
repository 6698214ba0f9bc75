// Kernel densities against a plain double-precision loop: exact everywhere, the others to the error
// asked for.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/density.h"
#include "support/density_cloud.h"
#include "support/draw.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

const DensityQuery exactly{.method = "exact"};

void expect_close(const std::vector<double>& found, const std::vector<double>& wanted,
                  double relative) {
  ASSERT_EQ(found.size(), wanted.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], wanted[i], relative * wanted[i] + 1e-36) << i;
}

// A weight's exponent x^2 / 2 is off by some 2^-22 |x| times the coordinates in bandwidths, and by
// 1e-4 at most where products are allowed.
TEST(ExactDensities, AllWidths) {
  for (const std::int64_t dim : {1, 2, 3, 8, 15, 16, 17, 64, 128, 512}) {
    SCOPED_TRACE(dim);
    const PointRows points = mixture(700, dim, 1), queries = mixture(90, dim, 2);
    const std::array sigma{0.3 * std::sqrt(static_cast<double>(dim)) + 0.3};
    const std::vector<double> wanted = plain_densities(points, queries, sigma);
    on_every_isa([&] {
      const DensityResult found = densities(points, queries, sigma, exactly);
      expect_close(found.value, wanted, 1e-4);
      EXPECT_EQ(found.error, std::vector<double>(90, 0.0));
      EXPECT_EQ(found.samples, std::vector<std::int64_t>(90, 700));
    });
  }
}

TEST(ExactDensities, ColumnsOfDifferentScales) {
  PointRows points = mixture(900, 3, 3), queries = mixture(70, 3, 4);
  const std::array<float, 3> scale{1e-6f, 1, 1e7f};
  for (PointRows* rows : {&points, &queries})
    for (std::size_t i = 0; i < rows->values.size(); ++i) rows->values[i] *= scale[i % 3];
  const std::array<double, 3> sigma{4e-7, 0.5, 3e6};
  expect_close(densities(points, queries, sigma, exactly).value,
               plain_densities(points, queries, sigma), 1e-5);
}

// One outlier of 10^5 bandwidths must not cost the others their bits.
TEST(ExactDensities, OutliersAndShifts) {
  PointRows points = mixture(800, 2, 5), queries = mixture(70, 2, 6);
  for (PointRows* rows : {&points, &queries})
    for (float& x : rows->values) x = std::round(x * 1024) / 1024 + 512;
  points.values[0] = 1e5f;
  const std::array sigma{1.0};
  expect_close(densities(points, queries, sigma, exactly).value,
               plain_densities(points, queries, sigma), 1e-3);
}

TEST(ExactDensities, OtherTypesAndStrides) {
  const PointRows points = mixture(300, 4, 7), queries = mixture(40, 4, 8);
  const std::array sigma{1.0};
  TensorView backwards = points.view();
  backwards.data = points.values.data() + 299 * 4;
  backwards.stride[2] = -4;
  expect_close(DensityIndex::fit(backwards, sigma).query(queries.view(), exactly).value,
               plain_densities(points, queries, sigma), 1e-5);
}

// The normal density of the bandwidth integrates to 1: on a grid far beyond one point.
TEST(ExactDensities, NormalisedIntegratesToOne) {
  const PointRows one{{0.25f, -0.5f}, 2};
  PointRows grid{{}, 2};
  for (int i = -50; i < 50; ++i)
    for (int j = -50; j < 50; ++j) {
      grid.values.push_back(static_cast<float>(i) * 0.1f);
      grid.values.push_back(static_cast<float>(j) * 0.1f);
    }
  const std::array<double, 2> sigma{0.4, 0.8};
  const DensityResult found = densities(one, grid, sigma, {.method = "exact", .normalised = true});
  double sum = 0;
  for (const double v : found.value) sum += 0.01 * v;
  EXPECT_NEAR(sum, 1, 1e-4);
}

// The bound is 7 standard errors of the mean over 512 queries that share samples in tiles of 64:
// rel_error / 2 (normal, 0.68 confidence: a standard error) times (0.8 + 7 / sqrt(8)).
void expect_target(const std::string& method, const PointRows& points, const PointRows& queries,
                   double sigma) {
  SCOPED_TRACE(method);
  const std::array one{sigma};
  const DensityResult found =
      densities(points, queries, one, {.rel_error = 0.1, .confidence = 0.68, .method = method}, 3);
  EXPECT_EQ(found.report.unmet, 0);
  EXPECT_LT(mean_relative_error(found, plain_densities(points, queries, one)), 0.2);
  EXPECT_EQ(found.value.size(), found.error.size());
}

TEST(SampledDensities, KeepToTheErrorAskedFor) {
  for (const std::int64_t dim : {3, 20}) {
    const PointRows points = mixture(6000, dim, 9), queries = mixture(512, dim, 10);
    for (const double sigma : {0.7, 2.0})
      for (const char* method :
           {"sampled", "sampled(bars=bernstein)", "deann", "deann(k=700)", "auto"})
        expect_target(method, points, queries, sigma * std::sqrt(static_cast<double>(dim) / 3));
  }
}

TEST(SampledDensities, ManyDuplicates) {
  PointRows points = mixture(5000, 3, 11);
  for (std::size_t i = 0; i < points.values.size() / 2; ++i) points.values[i] = float(i % 3);
  const PointRows queries = points.part(2400, 2912);
  for (const char* method : {"sampled", "deann", "auto"})
    expect_target(method, points, queries, 0.5);
}

// All points sampled, or all of them near: nothing is estimated.
TEST(SampledDensities, AllPointsAreExact) {
  const PointRows points = mixture(1500, 5, 12), queries = mixture(100, 5, 13);
  const std::array sigma{0.8};
  const std::vector<double> wanted = plain_densities(points, queries, sigma);
  for (const char* method :
       {"sampled(m=2000)", "deann(k=1500)", "deann(k=20,m=1500)", "ckns(mu=0.0007,recall=0.999)"}) {
    SCOPED_TRACE(method);
    const DensityResult found =
        densities(points, queries, sigma, {.rel_error = 0, .method = method});
    const bool is_ckns = std::string(method).starts_with("ckns");
    expect_close(found.value, wanted, is_ckns ? 0.5 : 1e-5);
    EXPECT_TRUE(is_ckns || found.report.unmet == 0);
  }
}

// Below 2^-24 of the density the far field's f32 sums say nothing; here none is.
TEST(FarDensities, AreKernelSums) {
  const PointRows points = mixture(4000, 4, 14), queries = mixture(600, 4, 15);
  const std::array sigma{1.5};
  const DensityResult found = densities(points, queries, sigma, {.method = "far(error=0.01)"});
  EXPECT_LT(mean_relative_error(found, plain_densities(points, queries, sigma)), 0.05);
}

TEST(HashedDensities, AreNearOnAverage) {
  const PointRows points = mixture(3000, 6, 16), queries = mixture(128, 6, 17);
  const std::array sigma{1.5};
  const std::vector<double> wanted = plain_densities(points, queries, sigma);
  for (const char* method : {"hbe(tables=512)", "ckns", "ckns(mu=0.01)"}) {
    SCOPED_TRACE(method);
    const DensityResult found = densities(points, queries, sigma, {.method = method}, 5);
    EXPECT_LT(mean_relative_error(found, wanted), 0.35);
    EXPECT_GT(found.report.evaluations, 0);
  }
}

TEST(DensityBandwidths, RulesAreTheirFormulas) {
  const PointRows points = mixture(500, 2, 18);
  for (std::size_t c = 0; c < 2; ++c) {
    double mean = 0, square = 0;
    for (std::size_t i = c; i < 1000; i += 2) mean += points.values[i] / 500.0;
    for (std::size_t i = c; i < 1000; i += 2) square += std::pow(points.values[i] - mean, 2) / 499;
    const double scott = std::sqrt(square) * std::pow(500.0, -1.0 / 6);
    EXPECT_NEAR(density_bandwidth(points.view(), BandwidthRule::scott)[c], scott, 1e-9);
    // (4 / (D + 2))^(1 / (D + 4)) is 1 for two columns.
    EXPECT_NEAR(density_bandwidth(points.view(), BandwidthRule::silverman)[c], scott, 1e-9);
  }
}

// The points number less than the sample: the mean over 256 of them is that of a plain loop within
// what their choice matters.
TEST(DensityBandwidths, ReachTheMeanDensity) {
  const PointRows points = mixture(3000, 3, 19);
  const std::array shape{1.0};
  for (const double target : {1e-1, 1e-3}) {
    const std::vector<double> sigma = bandwidth_for_density(points.view(), shape, target);
    const std::vector<double> found = plain_densities(points, points, sigma);
    double mean = 0;
    for (const double f : found) mean += (f * 3000 - 1) / 2999 / 3000;
    EXPECT_NEAR(mean / target, 1, 0.3);
  }
}

}  // namespace
}  // namespace subquad::testing
