// Orders 1 and 2 of the multipole expansion against plain double-precision loops.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "far/moments/cluster_moments.h"
#include "far/clusters/cluster_shape.h"
#include "index/key_clusters.h"
#include "subquad/error.h"
#include "support/cluster_scene.h"
#include "support/draw.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

TEST(ClusterShape, FullRankIsTheGaussianFormula) {
  on_every_isa([] {
    for (const std::int64_t rows : {1, 13, 49, 264}) {
      for (const std::int64_t head_dim : {1, 7, 24}) {
        const ClusterScene scene =
            random_scene(7, head_dim, 5, rows, {1, 2, 6, 7, 8, 40, 700, 23, 24, 25}, 0.05);
        const ClusterShape shape = scene.shape(head_dim + 3, 2);
        const std::vector<std::uint8_t> skip = {0, 1, 0, 0, 1, 0, 0, 0, 1, 0};
        EXPECT_LT(quadratic_error(scene, shape), 2e-6) << rows << ' ' << head_dim;
        EXPECT_LT(dipole_error(scene, shape, nullptr), 2e-6) << rows << ' ' << head_dim;
        EXPECT_LT(dipole_error(scene, shape, skip.data()), 2e-6) << rows << ' ' << head_dim;
      }
    }
  });
}

// More clusters than a chunk holds.
TEST(ClusterShape, ManyClusters) {
  on_every_isa([] {
    const ClusterScene scene = random_scene(8, 12, 19, 30, std::vector<std::int64_t>(211, 3), 0.05);
    for (const std::int64_t rank : {3, 8}) {
      EXPECT_LT(quadratic_error(scene, scene.shape(rank, 2)), 2e-6);
      EXPECT_LT(dipole_error(scene, scene.shape(rank, 1), nullptr), 2e-6);
    }
  });
}

TEST(ClusterShape, LowRankKeepsTheMeanOverTheQueries) {
  const ClusterScene scene = random_scene(9, 20, 3, 500, {15, 200}, 0.02);
  for (const std::int64_t rank : {0, 1, 6, 19}) {
    const std::vector<float> got = quadratic_of(scene.shape(rank, 2), scene);
    for (std::int64_t c = 0; c < scene.count(); ++c) {
      double mean = 0, expected = 0;
      for (std::int64_t r = 0; r < scene.rows; ++r) {
        mean += double{got[at(r * scene.count() + c)]};
        expected += plain_quadratic(scene, r, c);
      }
      EXPECT_NEAR(mean / expected, 1, 2e-4) << rank;
    }
  }
}

TEST(ClusterShape, ErrorFallsWithTheRank) {
  const ClusterScene scene = random_scene(10, 20, 6, 200, {18, 20, 60, 300}, 0.02);
  double last_quadratic = 1, last_dipole = 1;
  for (const std::int64_t rank : {0, 1, 3, 6, 12, 20}) {
    const ClusterShape shape = scene.shape(rank, 2);
    const double quadratic = quadratic_error(scene, shape);
    const double dipole = dipole_error(scene, shape, nullptr);
    EXPECT_LT(quadratic, last_quadratic) << rank;
    last_quadratic = 0.8 * quadratic;
    if (rank > 0) {
      EXPECT_LT(dipole, last_dipole) << rank;
    }
    last_dipole = std::max(0.8 * dipole, 1e-4);  // six value channels: rank 6 is all
  }
  EXPECT_LT(last_quadratic, 2e-6);
}

// Keys mean +- extent_j e_j and the metric diag(m_j): the eigenvalues of S in the metric are known.
void expect_known_spectrum(std::int64_t head_dim, std::int64_t axes) {
  Draw draw(11);
  ClusterScene scene{head_dim, 1, 0, {}, {}, {}, {}, deal(draw, {2 * axes}), {}};
  std::vector<double> eigenvalues;
  scene.metric.assign(at(head_dim * head_dim), 0.0);
  for (std::int64_t j = 0; j < head_dim; ++j) {
    const double extent = j < axes ? 1.0 / static_cast<double>(1 + j * 5 % axes) : 0,
                 m = 1 + 0.1 * static_cast<double>(j);
    scene.metric[at(j * head_dim + j)] = m;
    eigenvalues.push_back(m * extent * extent / static_cast<double>(axes));
    for (const double sign : {-1.0, 1.0})
      for (std::int64_t k = 0; k < head_dim && j < axes; ++k)
        scene.keys.push_back(static_cast<float>(2 + (k == j ? sign * extent : 0)));
  }
  scene.values.assign(at(2 * axes), 1.0f);
  scene.means.assign(at(head_dim), 2.0f);
  std::sort(eigenvalues.begin(), eigenvalues.end());
  const QueryMetric metric(scene.metric.data(), head_dim);
  for (const std::int64_t rank : {1, 2, 4}) {
    MomentBuilder builder({scene.keys.data(), scene.values.data(), &scene.clusters,
                           scene.means.data(), head_dim, 1, rank, rank, 2},
                          metric);
    double rest = 0;
    for (std::int64_t j = 0; j < head_dim - rank; ++j) rest += eigenvalues[at(j)];
    const double left =
        double{builder.build(0).even} * metric.scale() * static_cast<double>(head_dim);
    EXPECT_GT(left, 0.9999 * rest) << rank;
    EXPECT_LT(left, 1.15 * rest) << rank;
  }
}

TEST(ClusterMoments, KeepTheLeadingDirections) {
  expect_known_spectrum(32, 16);  // over members
  expect_known_spectrum(16, 16);  // over the key space
}

// One cluster's sums of weights and of values over all rows: relative errors of a model.
struct SumErrors {
  double weights, values;
};

SumErrors sum_errors(const ClusterScene& scene, int order) {
  const ClusterShape shape = scene.shape(scene.head_dim, order);
  std::vector<double> weight_errors, value_errors;
  const std::vector<float> logits = quadratic_of(shape, scene);
  const std::vector<float> dipole =
      dipole_of(shape, scene, std::vector<float>(at(scene.rows), 1.0f), nullptr);
  const auto n = static_cast<double>(scene.clusters.members(0).count);
  const double mean = scene.value_mean(0)[0];
  for (std::int64_t r = 0; r < scene.rows; ++r) {
    double l = 0, o = 0;  // relative to 2^(q.mu)
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(scene.keys.size()) / scene.head_dim;
         ++i) {
      const double weight = std::exp2(scene.dot(r, scene.offset(i, 0).data()));
      l += weight;
      o += weight * double{scene.values[at(i)]};
    }
    const double w = std::exp2(double{logits[at(r)]});
    weight_errors.push_back(w * n / l - 1);
    value_errors.push_back((w * (n * mean + double{dipole[at(r)]}) - o) / l);
  }
  return {root_mean_square(weight_errors), root_mean_square(value_errors)};
}

// How the errors fall when a cluster of 200 members is shrunk to half its radius, in powers of two.
SumErrors slopes(int order, bool symmetric) {
  SumErrors errors[2];
  for (int half = 0; half < 2; ++half) {
    Draw draw(12);
    ClusterScene scene{4, 1, 64, {}, {}, {}, {}, deal(draw, {200}), {}};
    const double spread = half == 0 ? 0.2 : 0.1;
    for (int i = 0; i < 200; i += 2) {
      double x[4];
      for (double& coordinate : x) coordinate = 2 * draw.unit() - 1;
      if (!symmetric)
        for (double& coordinate : x) coordinate *= 1 + 0.5 * coordinate;
      const double noise = draw.normal();
      for (const double sign : {1.0, -1.0}) {
        const double factor = symmetric || sign > 0 ? sign : 0.4;
        for (const double coordinate : x)
          scene.keys.push_back(static_cast<float>(1 + spread * factor * coordinate));
        scene.values.push_back(static_cast<float>(2 + factor * (x[0] - x[1] + noise)));
      }
    }
    for (int i = 0; i < 64 * 4; ++i) scene.queries.push_back(static_cast<float>(draw.normal()));
    finish(scene);
    errors[half] = sum_errors(scene, order);
  }
  return {std::log2(errors[0].weights / errors[1].weights),
          std::log2(errors[0].values / errors[1].values)};
}

TEST(ClusterShape, ErrorsFallWithTheRadiusAsPredicted) {
  for (const bool symmetric : {false, true}) {
    EXPECT_NEAR(slopes(0, symmetric).weights, 2, 0.3);
    EXPECT_NEAR(slopes(0, symmetric).values, 1, 0.3);
    EXPECT_NEAR(slopes(1, symmetric).values, 2, 0.3);
    EXPECT_NEAR(slopes(2, symmetric).weights, symmetric ? 4 : 3, 0.4);
    EXPECT_NEAR(slopes(2, symmetric).values, symmetric ? 3 : 2, 0.4);
  }
}

TEST(ClusterShape, OrdersBelowAddNothing) {
  const ClusterScene scene = random_scene(13, 6, 4, 5, {9, 3}, 0.1);
  const std::vector<float> weights(at(scene.rows * scene.count()), 1.0f);
  for (const int order : {0, 1})
    for (const float x : quadratic_of(scene.shape(3, order), scene)) EXPECT_EQ(x, 0);
  for (const float x : dipole_of(scene.shape(3, 0), scene, weights, nullptr)) EXPECT_EQ(x, 0);
  for (const float x : dipole_of(scene.shape(0, 2), scene, weights, nullptr)) EXPECT_EQ(x, 0);
}

TEST(ClusterShape, SingleAndEqualKeysHaveNoShape) {
  ClusterScene scene = random_scene(14, 6, 4, 5, {1, 8, 30}, 0.0);
  const ClusterShape shape = scene.shape(3, 2);
  for (const float x : quadratic_of(shape, scene)) EXPECT_EQ(x, 0);
  const std::vector<float> weights(at(scene.rows * scene.count()), 1.0f);
  for (const float x : dipole_of(shape, scene, weights, nullptr)) EXPECT_EQ(x, 0);
  for (const float x : shape.remainder()) EXPECT_EQ(x, 0);
}

// No key's score is above q . mu + |q| radius, and no cluster's model is.
TEST(ClusterShape, QuadraticTermIsCapped) {
  ClusterScene scene = random_scene(15, 6, 2, 40, {5, 6, 7, 50}, 3.0);
  for (float& x : scene.queries) x *= 100;
  finish(scene);
  for (const std::int64_t rank : {0, 2, 6}) {
    const ClusterShape shape = scene.shape(rank, 2);
    const std::vector<float> got = quadratic_of(shape, scene);
    for (std::int64_t r = 0; r < scene.rows; ++r)
      for (std::int64_t c = 0; c < scene.count(); ++c) {
        double length2 = 0, radius2 = 0;
        for (std::int64_t j = 0; j < 6; ++j) length2 += std::pow(double{scene.query(r)[j]}, 2);
        const IndexList members = scene.clusters.members(c);
        for (std::int64_t i = 0; i < members.count; ++i) {
          double distance2 = 0;
          for (const double x : scene.offset(members[i], c)) distance2 += x * x;
          radius2 = std::max(radius2, distance2);
        }
        const double cap = std::sqrt(length2 * radius2);
        EXPECT_NEAR(double{shape.radius()[at(c)]} / std::sqrt(radius2), 1, 3e-6);
        EXPECT_LT(double{got[at(r * scene.count() + c)]}, cap * (1 + 1e-5));
        if (rank == 6) {
          const double expected = std::min(cap, plain_quadratic(scene, r, c));
          EXPECT_NEAR(double{got[at(r * scene.count() + c)]} / expected, 1, 1e-4);
        }
      }
  }
}

void expect_finite(const ClusterScene& scene) {
  for (const std::int64_t rank : {0, 2, 9}) {
    const ClusterShape shape = scene.shape(rank, 2);
    for (const float x : quadratic_of(shape, scene)) EXPECT_TRUE(std::isfinite(x)) << rank;
    const std::vector<float> weights(at(scene.rows * scene.count()), 0x1p-30f);
    for (const float x : dipole_of(shape, scene, weights, nullptr))
      EXPECT_TRUE(std::isfinite(x)) << rank;
  }
}

TEST(ClusterShape, HugeAndTinyNumbersStayFinite) {
  for (const float factor : {1e4f, 1e15f, 1e-15f, 1e-30f}) {
    ClusterScene scene = random_scene(16, 9, 3, 20, {1, 4, 9, 10, 40}, 1.0);
    for (float& x : scene.keys) x *= factor;
    for (float& x : scene.values) x *= factor;
    finish(scene);
    expect_finite(scene);
    for (float& x : scene.queries) x *= 1e4f;
    finish(scene);
    expect_finite(scene);
  }
}

// The square of the radius overflows, and a query is zero.
TEST(ClusterShape, ZeroTimesHugeIsZero) {
  ClusterScene scene = random_scene(16, 9, 3, 20, {1, 4, 9, 10, 40}, 1.0);
  for (float& x : scene.keys) x *= 1e25f;
  std::fill_n(scene.queries.begin(), 9, 0.0f);
  finish(scene);
  expect_finite(scene);
  const std::vector<float> got = quadratic_of(scene.shape(0, 2), scene);
  for (std::int64_t c = 0; c < scene.count(); ++c) EXPECT_EQ(got[at(c)], 0);
}

TEST(ClusterShape, ScalesWithItsInput) {
  ClusterScene scene = random_scene(17, 12, 3, 60, {4, 9, 40}, 0.02);
  const double before = quadratic_error(scene, scene.shape(3, 2));
  for (float& x : scene.keys) x *= 0x1p40f;
  for (float& x : scene.queries) x *= 0x1p-40f;
  finish(scene);
  EXPECT_NEAR(quadratic_error(scene, scene.shape(3, 2)), before, 1e-5);
}

// A cluster that holds something not finite has no moments; the others keep theirs.
TEST(ClusterShape, NonFiniteMembersSpoilTheirClusterOnly) {
  for (const bool in_key : {false, true})
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      ClusterScene scene = random_scene(18, 6, 4, 10, {5, 6, 40}, 0.1);
      const std::vector<float> clean = quadratic_of(scene.shape(3, 2), scene);
      const auto id = at(scene.clusters.members(1)[4]);
      (in_key ? scene.keys[id * 6 + 2] : scene.values[id * 4 + 1]) = bad;
      finish(scene);
      const ClusterShape shape = scene.shape(3, 2);
      const std::vector<float> got = quadratic_of(shape, scene);
      for (std::int64_t r = 0; r < scene.rows; ++r)
        for (std::int64_t c = 0; c < 3; ++c)
          EXPECT_EQ(got[at(r * 3 + c)], c == 1 ? 0 : clean[at(r * 3 + c)]);
      EXPECT_EQ(shape.remainder()[1], std::numeric_limits<float>::infinity());
      EXPECT_TRUE(std::isfinite(shape.remainder()[0]) && std::isfinite(shape.remainder()[2]));
      const std::vector<float> weights(at(scene.rows * 3), 1.0f);
      for (const float x : dipole_of(shape, scene, weights, nullptr)) EXPECT_TRUE(std::isfinite(x));
    }
}

TEST(ClusterShape, MetricWithoutAnInverse) {
  for (const double entry : {0.0, std::numeric_limits<double>::quiet_NaN()}) {
    ClusterScene scene = random_scene(19, 6, 4, 10, {5, 6, 40}, 0.1);
    std::fill(scene.metric.begin(), scene.metric.end(), entry);
    expect_finite(scene);
    EXPECT_LT(quadratic_error(scene, scene.shape(6, 2)), 2e-6);
  }
  ClusterScene scene = random_scene(20, 6, 4, 2, {5, 6, 40}, 0.1);  // two queries, six dimensions
  expect_finite(scene);
  EXPECT_LT(quadratic_error(scene, scene.shape(2, 2)), 1e-3);
}

TEST(ClusterShape, SameBitsForAnyThreadCount) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t c = 0; c < 60; ++c) sizes.push_back(1 + c * 7 % 41);
  const ClusterScene scene = random_scene(21, 24, 10, 70, sizes, 0.3);
  const std::vector<float> weights(at(scene.rows * scene.count()), 0.5f);
  const ClusterShape one = scene.shape(4, 2, 1);
  for (const int threads : {2, 3, 7}) {
    const ClusterShape many = scene.shape(4, 2, threads);
    EXPECT_EQ(quadratic_of(one, scene), quadratic_of(many, scene));
    EXPECT_EQ(dipole_of(one, scene, weights, nullptr), dipole_of(many, scene, weights, nullptr));
    EXPECT_TRUE(
        std::equal(one.remainder().begin(), one.remainder().end(), many.remainder().begin()));
  }
}

TEST(ClusterShape, RanksAreSetApart) {
  const ClusterScene scene = random_scene(26, 20, 10, 60, std::vector<std::int64_t>(50, 19), 0.1);
  for (const std::int64_t rank : {0, 2, 5}) {
    const ClusterShape mixed = scene.shape(3, 2, 1, rank), alone = scene.shape(rank, 2);
    EXPECT_EQ(quadratic_of(mixed, scene), quadratic_of(alone, scene));
    EXPECT_NEAR(dipole_error(scene, mixed, nullptr),
                dipole_error(scene, scene.shape(3, 1), nullptr), 1e-6);
    EXPECT_EQ(mixed.remainder()[7], alone.remainder()[7]);
  }
}

// A row's result does not depend on the rows beside it.
TEST(ClusterShape, RowsAreIndependent) {
  const ClusterScene scene = random_scene(22, 24, 10, 100, {3, 30, 20, 50}, 0.3);
  const ClusterShape shape = scene.shape(4, 2);
  const std::vector<float> all = quadratic_of(shape, scene);
  ClusterShape::Workspace workspace;
  for (const std::int64_t r : {0, 1, 47, 48, 99}) {
    std::vector<float> row(4);
    shape.add_quadratic(scene.query(r), 1, row.data(), 4, workspace);
    EXPECT_TRUE(std::equal(row.begin(), row.end(), all.begin() + r * 4));
  }
}

// Mean over z ~ N(0, I) in two dimensions: the trapezoidal rule.
template <typename Function>
double gaussian_mean(const Function& function) {
  double sum = 0, total = 0;
  for (int i = -50; i <= 50; ++i)
    for (int j = -50; j <= 50; ++j) {
      const double x = 0.18 * i, y = 0.18 * j, weight = std::exp(-(x * x + y * y) / 2);
      sum += weight * function(x, y);
      total += weight;
    }
  return sum / total;
}

// Cluster 0's first term left out, squared, averaged over queries L z in natural units.
double plain_remainder(const ClusterScene& scene, int order, bool trace_only) {
  const double l00 = std::sqrt(scene.metric[0]), l10 = scene.metric[2] / l00,
               l11 = std::sqrt(scene.metric[3] - l10 * l10);
  const IndexList members = scene.clusters.members(0);
  const auto n = static_cast<double>(members.count);
  double mean = 0;
  const auto moment = [&](double x, double y, int power) {
    double sum = 0;
    for (std::int64_t i = 0; i < members.count; ++i) {
      const std::vector<double> k = scene.offset(members[i], 0);
      sum += std::pow(kLn2 * (l00 * x * k[0] + (l10 * x + l11 * y) * k[1]), power);
    }
    return sum / n;
  };
  if (trace_only) mean = gaussian_mean([&](double x, double y) { return moment(x, y, 2); });
  return std::sqrt(gaussian_mean([&](double x, double y) {
    const double second = moment(x, y, 2) / 2, third = moment(x, y, 3) / 6;
    if (order < 2) return second * second;
    const double length2 = std::pow(l00 * x, 2) + std::pow(l10 * x + l11 * y, 2);
    const double even = mean / (scene.metric[0] + scene.metric[3]) * length2;
    const double left_out = trace_only ? second - even / 2 : 0;
    return third * third + left_out * left_out;
  }));
}

TEST(ClusterShape, RemainderIsTheFirstTermLeftOut) {
  for (const std::int64_t members : {3, 20, 64}) {
    const ClusterScene scene = random_scene(23, 2, 1, 30, {members}, 0.3);
    const auto remainder = [&](std::int64_t rank, int order) {
      return double{scene.shape(rank, order).remainder()[0]};
    };
    EXPECT_NEAR(remainder(2, 0) / plain_remainder(scene, 0, false), 1, 1e-3);
    EXPECT_NEAR(remainder(2, 1) / plain_remainder(scene, 1, false), 1, 1e-3);
    EXPECT_NEAR(remainder(2, 2) / plain_remainder(scene, 2, false), 1, 1e-3);
    EXPECT_NEAR(remainder(0, 2) / plain_remainder(scene, 2, true), 1, 1e-3);
  }
}

TEST(ClusterShape, BadInputIsNamed) {
  const ClusterScene scene = random_scene(24, 6, 4, 2, {5}, 0.1);
  EXPECT_THROW(scene.shape(3, 3), Error);
  EXPECT_THROW(scene.shape(3, -1), Error);
  EXPECT_THROW(scene.shape(-1, 2), Error);
  EXPECT_THROW(scene.shape(1, 2, 1, -2), Error);
  EXPECT_THROW(ClusterShape(ClusterShape::Input{}, 1), Error);
}

TEST(ClusterShape, NoClusters) {
  ClusterScene scene = random_scene(25, 6, 4, 2, {5}, 0.1);
  scene.clusters = {};
  EXPECT_TRUE(quadratic_of(scene.shape(3, 2), scene).empty());
  for (const float x : dipole_of(scene.shape(3, 2), scene, {}, nullptr)) EXPECT_EQ(x, 0);
}

}  // namespace
}  // namespace subquad::testing
