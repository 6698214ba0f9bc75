// Hash tables for Euclidean distances: their buckets against a plain loop over codes, their edges.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "index/euclidean_lsh.h"
#include "support/draw.h"
#include "support/invalid.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t dim = 5;

std::vector<float> normal_points(std::int64_t n, std::uint64_t seed, double shift = 0) {
  Draw draw(seed);
  std::vector<float> points;
  for (std::int64_t i = 0; i < n * dim; ++i)
    points.push_back(static_cast<float>(shift + draw.normal()));
  return points;
}

EuclideanLsh tables_of(const std::vector<float>& points, const EuclideanHash& how,
                       int threads = 1) {
  return EuclideanLsh(points.data(), static_cast<std::int64_t>(points.size()) / dim, dim, how,
                      Rng(7, 0), threads);
}

std::vector<std::int32_t> bucket(const EuclideanLsh& lsh, std::int64_t table, const float* query) {
  const auto ids = lsh.bucket(table, query);
  return {ids.begin(), ids.end()};
}

// Every point's bucket is the points of its code, in every table.
TEST(EuclideanLsh, BucketsHoldThePointsOfACode) {
  const std::vector<float> points = normal_points(300, 1);
  const EuclideanLsh lsh = tables_of(points, {.width = 2, .concatenation = 3, .tables = 4});
  std::vector<EuclideanLsh::Code> codes(300);
  for (std::int64_t t = 0; t < lsh.tables(); ++t) {
    lsh.hash(t, points.data(), 300, codes.data());
    for (std::int64_t i = 0; i < 300; ++i) {
      std::vector<std::int32_t> expected;
      for (std::int32_t j = 0; j < 300; ++j)
        if (codes[static_cast<std::size_t>(j)] == codes[static_cast<std::size_t>(i)])
          expected.push_back(j);
      ASSERT_EQ(bucket(lsh, t, points.data() + i * dim), expected) << i;
    }
  }
}

TEST(EuclideanLsh, TablesDoNotDependOnThreadsAndDiffer) {
  const std::vector<float> points = normal_points(200, 2);
  const EuclideanHash how{.width = 1, .concatenation = 2, .tables = 6};
  const EuclideanLsh one = tables_of(points, how), many = tables_of(points, how, 5);
  bool differ = false;
  for (std::int64_t i = 0; i < 200; ++i)
    for (std::int64_t t = 0; t < 6; ++t) {
      const float* x = points.data() + i * dim;
      ASSERT_EQ(bucket(one, t, x), bucket(many, t, x));
      differ |= bucket(one, t, x) != bucket(one, 0, x);
    }
  EXPECT_TRUE(differ);
}

// Points far from the origin keep the bits of their differences.
TEST(EuclideanLsh, ACommonShiftKeepsNearPointsTogether) {
  const EuclideanHash how{.width = 4, .concatenation = 1, .tables = 50};
  const std::vector<float> points = normal_points(2, 3, 65536);
  const EuclideanLsh lsh = tables_of(points, how);
  std::int64_t shared = 0;
  for (std::int64_t t = 0; t < how.tables; ++t)
    shared += static_cast<std::int64_t>(bucket(lsh, t, points.data()).size()) - 1;
  EXPECT_GT(shared, 5);  // of about 27
  EXPECT_LT(shared, 50);
}

TEST(EuclideanLsh, PointsThatAreNotFiniteAreInNoBucket) {
  std::vector<float> points = normal_points(20, 4);
  const EuclideanHash how{.width = 1e6, .concatenation = 1, .tables = 3};
  const std::vector<std::int32_t> all = bucket(tables_of(points, how), 0, points.data());
  points[7 * dim] = std::numeric_limits<float>::quiet_NaN();
  points[9 * dim + 2] = std::numeric_limits<float>::infinity();
  const EuclideanLsh lsh = tables_of(points, how);
  std::vector<std::int32_t> expected;
  for (const std::int32_t i : all)
    if (i != 7 && i != 9) expected.push_back(i);
  EXPECT_EQ(bucket(lsh, 0, points.data()), expected);
  EXPECT_TRUE(bucket(lsh, 0, points.data() + 7 * dim).empty());
  EXPECT_TRUE(bucket(lsh, 0, points.data() + 9 * dim).empty());
}

TEST(EuclideanLsh, NoPoints) {
  const EuclideanLsh lsh = tables_of({}, {.width = 1, .concatenation = 2, .tables = 2});
  const std::vector<float> query(dim, 0.5F);
  EXPECT_TRUE(bucket(lsh, 1, query.data()).empty());
}

TEST(EuclideanLsh, BadSizesAreNamed) {
  const std::vector<float> points = normal_points(3, 5);
  for (const double width : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()})
    expect_invalid("width", [&] { tables_of(points, {.width = width}); });
  expect_invalid("concatenation", [&] { tables_of(points, {.concatenation = 0}); });
  expect_invalid("concatenation", [&] { tables_of(points, {.concatenation = 65}); });
  expect_invalid("tables", [&] { tables_of(points, {.tables = 0}); });
  expect_invalid("tables", [&] { tables_of(points, {.tables = 1 << 20}); });
}

// The chance is the integral over the offset of the projected distance |a| c < w: a triangle
// against the density of |a|, by the trapezoid rule.
TEST(EuclideanLsh, CollisionProbabilityIsTheIntegral) {
  for (const double distance : {0.05, 0.5, 1.0, 3.0, 20.0}) {
    const double width = 1.5, step = 1e-4 * width / distance;
    double sum = 0;
    for (double a = step / 2; a * distance < width; a += step)
      sum += step * std::sqrt(2 / M_PI) * std::exp(-a * a / 2) * (1 - a * distance / width);
    EXPECT_NEAR(EuclideanLsh::collision_probability(distance, width, 1), sum, 1e-6);
    EXPECT_NEAR(EuclideanLsh::collision_probability(distance, width, 3), sum * sum * sum, 3e-6);
  }
  EXPECT_EQ(EuclideanLsh::collision_probability(0, 1, 8), 1);
}

}  // namespace
}  // namespace subquad::testing
