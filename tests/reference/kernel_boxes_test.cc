// boxes(..): every query and channel within the error asked for of a plain double-precision loop,
// whatever the points.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "subquad/kernel_sums.h"
#include "support/draw.h"
#include "support/kernel_clouds.h"

namespace subquad::testing {
namespace {

constexpr double kFloor = 1e-12;

// Each query is the `step`-th.
void expect_bound(const KernelCloud& cloud, const KernelRun& run, double error, std::int64_t step) {
  EXPECT_LE(run.report.error_bound, error);
  const Shape4& shape = run.out.shape();
  std::vector<double> total(static_cast<std::size_t>(shape[3]));
  for (std::int64_t k = 0; k < cloud.key.shape()[2]; ++k)
    for (std::int64_t c = 0; c < shape[3]; ++c)
      total[static_cast<std::size_t>(c)] += std::abs(cloud.value.get(0, 0, k, c));
  for (std::int64_t i = 0; i < shape[2]; i += step) {
    const PlainSums row = plain_sums(cloud, 0, 0, i);
    for (std::int64_t c = 0; c < shape[3]; ++c) {
      const auto at = static_cast<std::size_t>(c);
      // 1e-5: f32, as exact has it at some bandwidths' distance.
      const double limit = (error + 1e-5) * row.size[at] + error * kFloor * total[at] + 1e-37;
      ASSERT_NEAR(run.out.get(0, 0, i, c), row.sum[at], limit) << "row " << i << " channel " << c;
    }
  }
}

void check(const KernelCloud& cloud, double error, const std::string& path, std::int64_t step) {
  const KernelRun run =
      run_kernel_sums(cloud.problem(), "boxes(error=" + std::to_string(error) + ")");
  EXPECT_EQ(run.report.path, path);
  expect_bound(cloud, run, error, step);
}

// Lumps of unequal size and spread, each a normal cloud.
KernelCloud lumps(const CloudShape& shape, double bandwidth, std::uint64_t seed) {
  KernelCloud cloud = normal_cloud(shape, bandwidth, seed);
  for (TensorBuffer* tensor : {&cloud.query, &cloud.key}) {
    Draw draw(seed + 1);
    double spread = 1, center = 0;
    tensor->for_each([&](auto b, auto h, auto i, auto c) {
      if (c == 0) {
        spread = draw.one_of({0.02, 0.2, 1.0});
        center = static_cast<double>(draw.integer(-3, 3));
      }
      tensor->set(b, h, i, c, center + spread * tensor->get(b, h, i, c));
    });
  }
  return cloud;
}

TEST(BoxKernelSums, KeepTheErrorAskedForInFewDimensions) {
  for (const std::int64_t dim : {1, 2, 3})
    for (const double bandwidth : {0.02, 0.1, 0.5, 3.0})
      for (const double error : {1e-2, 1e-5}) {
        SCOPED_TRACE(std::to_string(dim) + " " + std::to_string(bandwidth));
        check(lumps({.queries = 3000, .keys = 4001, .dim = dim, .channels = dim}, bandwidth, 21),
              error, "boxes", 97);
      }
}

TEST(BoxKernelSums, MoreDimensionsAndFewNeighbours) {
  for (const std::int64_t dim : {4, 6, 10, 17})
    check(lumps({.queries = 2000, .keys = 3000, .dim = dim, .channels = 2}, 0.1, 22), 1e-4, "boxes",
          83);
}

TEST(BoxKernelSums, WideKernelsOfManyDimensionsRunExactly) {
  for (const std::int64_t dim : {8, 40})
    check(normal_cloud({.queries = 500, .keys = 700, .dim = dim, .channels = 2}, 5, 23), 1e-4,
          "boxes:exact(cost)", 41);
}

TEST(BoxKernelSums, Duplicates) {
  KernelCloud cloud =
      normal_cloud({.queries = 900, .keys = 6400, .dim = 2, .channels = 1}, 0.3, 24);
  cloud.key.for_each([&](auto b, auto h, auto i, auto c) {
    if (i >= 8) cloud.key.set(b, h, i, c, cloud.key.get(b, h, i % 8, c));
  });
  check(cloud, 1e-4, "boxes", 31);
}

// Columns of the points of very different scale, far from the origin.
TEST(BoxKernelSums, ABandwidthForEachChannel) {
  KernelCloud cloud = lumps({.queries = 3000, .keys = 3000, .dim = 3, .channels = 1}, 1, 25);
  cloud.bandwidths = {0.2e6, 0.2, 0.2e-5};
  const double scales[] = {1e6, 1, 1e-5};
  for (TensorBuffer* tensor : {&cloud.query, &cloud.key})
    tensor->for_each([&](auto b, auto h, auto i, auto c) {
      tensor->set(b, h, i, c, (tensor->get(b, h, i, c) + 2) * scales[c]);
    });
  check(cloud, 1e-4, "boxes", 53);
}

// A query far from all keys has a sum as good as any other; a channel whose values are elsewhere
// keeps them.
TEST(BoxKernelSums, OutliersAndChannelsOfOtherPlaces) {
  KernelCloud cloud =
      normal_cloud({.queries = 1000, .keys = 5000, .dim = 2, .channels = 2}, 0.5, 26);
  for (std::int64_t i = 0; i < 100; ++i)
    cloud.query.set(0, 0, 10 * i, 0, 4 + 0.02 * static_cast<double>(i));
  for (std::int64_t k = 0; k < 5000; ++k)
    cloud.value.set(0, 0, k, 1, cloud.key.get(0, 0, k, 0) > 2 ? 1 : 0);
  check(cloud, 1e-3, "boxes", 10);
}

TEST(BoxKernelSums, EvaluateFewPairsWhereFewMatter) {
  const KernelCloud cloud =
      normal_cloud({.queries = 20000, .keys = 20000, .dim = 2, .channels = 1}, 0.03, 27);
  const KernelRun run = run_kernel_sums(cloud.problem(), "boxes");
  expect_bound(cloud, run, 1e-4, 2003);
  EXPECT_LT(run.report.opened_entries, std::int64_t{20000} * 20000 / 10);
}

}  // namespace
}  // namespace subquad::testing
