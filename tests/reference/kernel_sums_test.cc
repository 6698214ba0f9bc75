// Kernel sums against a plain double-precision loop: exact everywhere, far where it must be exact
// and for the error that it states.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "statistical/bounds.h"
#include "subquad/kernel_sums.h"
#include "support/draw.h"
#include "support/isa.h"
#include "support/kernel_clouds.h"

namespace subquad::testing {
namespace {

double storage_error(DType type) {
  if (type == DType::f32) return 0x1p-24;
  return type == DType::f16 ? 0x1p-11 : 0x1p-8;
}

// Rounding of a logit s is some 2^-23 |s|, and as much for the block's radius: `relative` bounds
// both.
void expect_rows(const KernelCloud& cloud, const TensorBuffer& out, double relative) {
  ASSERT_TRUE(out.outside_untouched());
  const Shape4& shape = out.shape();
  for (std::int64_t b = 0; b < shape[0]; ++b)
    for (std::int64_t h = 0; h < shape[1]; ++h)
      for (std::int64_t i = 0; i < shape[2]; ++i) {
        const PlainSums row = plain_sums(cloud, b, h, i);
        for (std::int64_t c = 0; c < shape[3]; ++c) {
          const auto at = static_cast<std::size_t>(c);
          const double limit = relative * row.size[at] +
                               2 * storage_error(out.type()) * std::abs(row.sum[at]) +
                               (out.type() == DType::f16 ? 0x1p-24 : 1e-37);
          ASSERT_NEAR(out.get(b, h, i, c), row.sum[at], limit) << "row " << i << " channel " << c;
        }
      }
}

Layout random_layout(Draw& draw) {
  Layout layout;
  if (draw.chance(0.3)) layout.order = {1, 0, 2};
  layout.row_padding = draw.chance(0.3) ? draw.integer(1, 9) : 0;
  layout.guard = draw.integer(0, 3);
  layout.reversed = draw.chance(0.2);
  return layout;
}

void check_random(std::uint64_t seed) {
  Draw draw(seed);
  const CloudShape shape{.batch = draw.integer(1, 2),
                         .heads = draw.integer(1, 2),
                         .queries = draw.integer(1, 300),
                         .keys = draw.integer(1, 600),
                         .dim = draw.one_of<std::int64_t>({1, 2, 3, 8, 17, 40}),
                         .channels = draw.one_of<std::int64_t>({1, 2, 5, 16, 33}),
                         .dtype = draw.one_of({DType::f32, DType::bf16, DType::f16}),
                         .layout = random_layout(draw)};
  const double bandwidth = std::exp(3 * draw.unit() - 1);
  const KernelCloud cloud = normal_cloud(shape, bandwidth, seed + 1000);
  const DType out = draw.one_of({DType::f32, DType::bf16, DType::f16});
  const Layout layout = random_layout(draw);
  const double radius_square = static_cast<double>(shape.dim) * 4 / (bandwidth * bandwidth);
  on_every_isa([&] {
    const KernelRun run = run_kernel_sums(cloud.problem(), "exact", {}, out, layout);
    EXPECT_EQ(run.report.path, "exact");
    EXPECT_EQ(run.report.estimated_error, 0);
    expect_rows(cloud, run.out, 1e-6 * (2 + radius_square));
  });
}

TEST(ExactKernelSums, RandomShapesTypesAndLayouts) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    check_random(seed);
  }
}

TEST(ExactKernelSums, TheLargestExtents) {
  const KernelCloud cloud =
      normal_cloud({.queries = 19, .keys = 531, .dim = 512, .channels = 512}, 20, 3);
  expect_rows(cloud, run_kernel_sums(cloud.problem(), "exact").out, 1e-5);
  expect_rows(cloud, run_kernel_sums(cloud.problem(), "far(clusters=531,order=2)").out, 1e-5);
}

// The wider the rows, the fewer stand in a block: here at most 120, whatever `group` asks for.
TEST(ExactKernelSums, WideRowsInSeveralBlocks) {
  const KernelCloud cloud =
      normal_cloud({.queries = 300, .keys = 200, .dim = 512, .channels = 512}, 20, 4);
  expect_rows(cloud, run_kernel_sums(cloud.problem(), "exact").out, 1e-5);
  expect_rows(cloud, run_kernel_sums(cloud.problem(), "far(clusters=200,group=264)").out, 1e-5);
}

// Islands 2^12 bandwidths apart: seen from one center, every kernel would be lost to rounding.
// Coordinates are multiples of 2^-8 below 2^15, so that the points themselves are exact.
KernelCloud islands(std::uint64_t seed) {
  KernelCloud cloud = normal_cloud({.queries = 700, .keys = 900, .dim = 3, .channels = 2}, 1, seed);
  Draw draw(seed + 1);
  for (TensorBuffer* tensor : {&cloud.query, &cloud.key})
    tensor->for_each([&](auto b, auto h, auto i, auto c) {
      const double island = std::ldexp(static_cast<double>(i % 5), 12);
      tensor->set(b, h, i, c, island + std::ldexp(std::round(std::ldexp(draw.normal(), 8)), -8));
    });
  return cloud;
}

TEST(ExactKernelSums, IslandsFarApartKeepTheirBits) {
  const KernelCloud cloud = islands(5);
  expect_rows(cloud, run_kernel_sums(cloud.problem(), "exact").out, 4e-5);
}

TEST(ExactKernelSums, ShiftingAllPointsChangesNothing) {
  KernelCloud cloud = islands(6);
  const KernelRun before = run_kernel_sums(cloud.problem(), "exact");
  for (TensorBuffer* tensor : {&cloud.query, &cloud.key})
    tensor->for_each([&](auto b, auto h, auto i, auto c) {
      tensor->set(b, h, i, c, tensor->get(b, h, i, c) - 8192);
    });
  expect_rows(cloud, before.out, 4e-5);
  expect_rows(cloud, run_kernel_sums(cloud.problem(), "exact").out, 4e-5);
}

TEST(FarKernelSums, OneClusterAKeyIsExact) {
  for (const char* spec : {"far(clusters=400,fit=0)", "far(clusters=4096,fit=0,order=2)",
                           "far(clusters=400,cluster=lsh)", "far(clusters=400,group=8)"}) {
    SCOPED_TRACE(spec);
    const KernelCloud cloud =
        normal_cloud({.heads = 2, .queries = 500, .keys = 400, .dim = 6, .channels = 3}, 1, 8);
    expect_rows(cloud, run_kernel_sums(cloud.problem(), spec).out, 3e-5);
  }
}

// Whatever is opened leaves a model that the correction is fitted to: with all opened there is
// nothing left to correct.
TEST(FarKernelSums, AllClustersOpenedIsExact) {
  for (const char* order : {"0", "2"}) {
    const KernelCloud cloud =
        normal_cloud({.queries = 600, .keys = 800, .dim = 4, .channels = 3}, 1, 9);
    const KernelRun run = run_kernel_sums(
        cloud.problem(), std::string("far(clusters=16,open=1e-9,order=") + order + ")");
    EXPECT_EQ(run.report.path, "far");
    EXPECT_EQ(run.report.opened_entries, 600 * 800);
    EXPECT_LT(run.report.estimated_error, 1e-5);
    EXPECT_LT(relative_error(cloud, run.out), 1e-5);
  }
}

TEST(FarKernelSums, DuplicatesAreOneCluster) {
  KernelCloud cloud = normal_cloud({.queries = 90, .keys = 640, .dim = 5, .channels = 2}, 1, 10);
  cloud.key.for_each([&](auto b, auto h, auto i, auto c) {
    if (i >= 8) cloud.key.set(b, h, i, c, cloud.key.get(b, h, i % 8, c));
  });
  expect_rows(cloud, run_kernel_sums(cloud.problem(), "exact").out, 1e-5);
  // Each of the eight points is a leaf of the tree: 640 / 8 keys without spread.
  expect_rows(cloud, run_kernel_sums(cloud.problem(), "far(clusters=8,fit=0)").out, 3e-5);
}

// What the fit gains, and the error that it states. The probes are `p` rows of strata of all rows:
// their mean squared error lies within mean_deviation_limit (false alarm 1e-10) of the rows'; the
// factor 2 is for what leaving one of p = 750 probes out of R = 32 features adds, below
// (1 - R / p)^-2 = 1.1. Four checks: false alarm 4e-10.
TEST(FarKernelSums, StatesItsError) {
  const KernelCloud cloud =
      normal_cloud({.queries = 3000, .keys = 3000, .dim = 4, .channels = 2}, 1.5, 11);
  const KernelRun exact = run_kernel_sums(cloud.problem(), "exact");
  const double unfitted =
      relative_error(cloud, run_kernel_sums(cloud.problem(), "far(clusters=32,fit=0)").out);
  for (const char* spec : {"far(clusters=32,order=0)", "far(clusters=32,order=2)",
                           "far(clusters=32,open=0.01)", "far(clusters=32,cluster=kmeans)"}) {
    SCOPED_TRACE(spec);
    const KernelRun run = run_kernel_sums(cloud.problem(), spec);
    double error = 0, size = 0, fourth = 0, largest = 0;
    for (std::int64_t i = 0; i < 3000; ++i) {
      double square = 0;
      for (std::int64_t c = 0; c < 2; ++c) {
        const double y = exact.out.get(0, 0, i, c);
        square += std::pow(run.out.get(0, 0, i, c) - y, 2);
        size += y * y / 3000;
      }
      error += square / 3000;
      fourth += square * square / 3000;
      largest = std::max(largest, square);
    }
    const double limit = mean_deviation_limit(fourth, largest, 750);
    const double stated = std::pow(run.report.estimated_error, 2) * size;
    EXPECT_LT(stated, 2 * (error + limit));
    EXPECT_GT(2 * stated, error - limit);
    EXPECT_LT(3 * std::sqrt(error / size), unfitted);
  }
}

TEST(FarKernelSums, KeepsToTheErrorAskedFor) {
  for (const double bandwidth : {0.3, 1.0, 2.0}) {
    const KernelCloud cloud =
        normal_cloud({.queries = 2000, .keys = 3000, .dim = 3, .channels = 2}, bandwidth, 12);
    const KernelRun run = run_kernel_sums(cloud.problem(), "far(clusters=64,error=0.02,group=64)");
    SCOPED_TRACE(run.report.path);
    EXPECT_LE(run.report.estimated_error, 0.02);
    EXPECT_LT(relative_error(cloud, run.out), 0.03);
  }
}

}  // namespace
}  // namespace subquad::testing
