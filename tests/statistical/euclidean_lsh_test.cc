// Pairs of points share a bucket of a p-stable table as often as their distance says.
//
// Each pair is counted over independent tables. Checks: 8 distances * 3 concatenations binomial
// ones (bounds.h) at 1e-10, and one that must fail: a false alarm below 3e-9 over the file.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "index/euclidean_lsh.h"
#include "statistical/bounds.h"
#include "support/draw.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t dim = 7, pairs = 8, tables = 6000;
constexpr double width = 2;

double distance_of(std::int64_t pair) { return 0.25 * static_cast<double>(1 << pair) / 4; }

// Point 2 i and 2 i + 1 at distance_of(i), in directions of their own.
std::vector<float> planted_pairs() {
  Draw draw(5);
  std::vector<float> points;
  for (std::int64_t i = 0; i < pairs; ++i) {
    std::vector<double> base(dim), step(dim);
    double square = 0;
    for (double& c : base) c = 3 * draw.normal();
    for (double& c : step) c = draw.normal();
    for (const double c : step) square += c * c;
    for (const double c : base) points.push_back(static_cast<float>(c));
    for (std::size_t c = 0; c < base.size(); ++c)
      points.push_back(static_cast<float>(base[c] + distance_of(i) * step[c] / std::sqrt(square)));
  }
  return points;
}

std::vector<std::int64_t> count_shared(std::int64_t concatenation) {
  const std::vector<float> points = planted_pairs();
  const EuclideanHash how{width, concatenation, tables};
  const EuclideanLsh lsh(points.data(), 2 * pairs, dim, how, Rng(3, 0), 2);
  std::vector<std::int64_t> shared(pairs, 0);
  for (std::int64_t t = 0; t < tables; ++t)
    for (std::int32_t i = 0; i < pairs; ++i) {
      const auto ids = lsh.bucket(t, points.data() + 2 * i * dim);
      shared[static_cast<std::size_t>(i)] +=
          std::binary_search(ids.begin(), ids.end(), 2 * i + 1) ? 1 : 0;
    }
  return shared;
}

TEST(EuclideanLsh, CollisionsFollowTheDistance) {
  for (const std::int64_t k : {1, 2, 5}) {
    const auto shared = count_shared(k);
    for (std::int64_t i = 0; i < pairs; ++i) {
      const double p = EuclideanLsh::collision_probability(distance_of(i), width, k);
      EXPECT_TRUE(binomial_plausible(shared[static_cast<std::size_t>(i)], tables, p))
          << "pair " << i << " k " << k << ": " << shared[static_cast<std::size_t>(i)] << " for "
          << p * tables;
    }
  }
}

// The counts tell another law apart: twice the distance.
TEST(EuclideanLsh, TwiceTheDistanceIsRuledOut) {
  const auto shared = count_shared(2);
  EXPECT_FALSE(binomial_plausible(
      shared[3], tables, EuclideanLsh::collision_probability(2 * distance_of(3), width, 2)));
}

}  // namespace
}  // namespace subquad::testing
