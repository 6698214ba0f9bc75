// kernel_log_sums() against a plain double-precision loop.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

#include "subquad/kernel_sums.h"
#include "support/invalid.h"
#include "support/kernel_clouds.h"

namespace subquad::testing {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TensorBuffer run_log_sums(const KernelCloud& cloud, int threads = 0) {
  TensorBuffer out(DType::f32,
                   {1, cloud.query.shape()[1], cloud.query.shape()[2], cloud.value.shape()[3]});
  kernel_log_sums(cloud.problem(), {out.mutable_view()}, {.threads = threads});
  return out;
}

KernelCloud positive_cloud(const CloudShape& shape, double bandwidth, std::uint64_t seed) {
  KernelCloud cloud = normal_cloud(shape, bandwidth, seed);
  cloud.value.for_each([&](auto b, auto h, auto i, auto c) {
    cloud.value.set(b, h, i, c, std::exp(8 * cloud.value.get(b, h, i, c)));
  });
  return cloud;
}

double plain_log_sum(const KernelCloud& cloud, std::int64_t h, std::int64_t i, std::int64_t c) {
  double top = -kInfinity;
  std::vector<double> logs;
  for (std::int64_t k = 0; k < cloud.key.shape()[2]; ++k) {
    logs.push_back(plain_exponent(cloud, 0, h, i, k) + std::log(cloud.value.get(0, h, k, c)));
    top = std::max(top, logs.back());
  }
  if (top == -kInfinity) return top;
  double sum = 0;
  for (const double log : logs) sum += std::exp(log - top);
  return top + std::log(sum);
}

void expect_logs(const KernelCloud& cloud, const TensorBuffer& out) {
  out.for_each([&](auto b, auto h, auto i, auto c) {
    const double wanted = plain_log_sum(cloud, h, i, c);
    if (wanted == -kInfinity)
      EXPECT_EQ(out.get(b, h, i, c), wanted);
    else
      ASSERT_NEAR(out.get(b, h, i, c), wanted, 2e-5 * (1 + std::abs(wanted)));
  });
}

TEST(KernelLogSums, AreAPlainLoop) {
  for (const std::int64_t dim : {1, 3, 20}) {
    const KernelCloud cloud = positive_cloud(
        {.heads = 2, .queries = 150, .keys = 200, .dim = dim, .channels = 3}, 0.7, 31);
    expect_logs(cloud, run_log_sums(cloud));
  }
}

// Distances of thousands of bandwidths, values of 0 next to the query, and a column of zeros.
TEST(KernelLogSums, UnderflowNowhere) {
  KernelCloud cloud = positive_cloud({.queries = 60, .keys = 80, .dim = 2, .channels = 3}, 0.5, 32);
  for (std::int64_t i = 0; i < 30; ++i) cloud.query.set(0, 0, i, 0, 100.0 * static_cast<double>(i));
  for (std::int64_t k = 0; k < 80; ++k) {
    cloud.key.set(0, 0, k, 1, 40.0 * static_cast<double>(k));
    if (k % 3 > 0) cloud.value.set(0, 0, k, 0, 0);
    cloud.value.set(0, 0, k, 2, 0);
  }
  expect_logs(cloud, run_log_sums(cloud));
}

TEST(KernelLogSums, SpecialValues) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  KernelCloud cloud = positive_cloud({.queries = 9, .keys = 20, .dim = 2, .channels = 3}, 1, 33);
  cloud.query.set(0, 0, 2, 1, kNan);
  cloud.query.set(0, 0, 3, 0, kInfinity);
  cloud.value.set(0, 0, 5, 1, kInfinity);
  cloud.value.set(0, 0, 6, 2, kNan);
  const TensorBuffer out = run_log_sums(cloud);
  EXPECT_TRUE(std::isnan(out.get(0, 0, 2, 0)));
  EXPECT_EQ(out.get(0, 0, 3, 0), -kInfinity);
  EXPECT_NEAR(out.get(0, 0, 1, 0), plain_log_sum(cloud, 0, 1, 0), 1e-4);
  EXPECT_EQ(out.get(0, 0, 1, 1), kInfinity);
  EXPECT_TRUE(std::isnan(out.get(0, 0, 1, 2)));
  cloud.value.set(0, 0, 7, 1, -0.25);
  expect_invalid("value: entry (0, 0, 7, 1) is -0.25", [&] { run_log_sums(cloud); });
}

TEST(KernelLogSums, NoKeysAndAnyThreads) {
  const KernelCloud none =
      positive_cloud({.queries = 4, .keys = 0, .dim = 2, .channels = 1}, 1, 34);
  EXPECT_EQ(run_log_sums(none).get(0, 0, 3, 0), -kInfinity);
  const KernelCloud cloud =
      positive_cloud({.queries = 700, .keys = 500, .dim = 4, .channels = 2}, 0.5, 35);
  EXPECT_EQ(run_log_sums(cloud, 1).words(), run_log_sums(cloud, 5).words());
}

}  // namespace
}  // namespace subquad::testing
