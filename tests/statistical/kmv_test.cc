// kmv(eps, delta): the error is above eps |x| in at most a share delta of the seeds.
//
// Checks: 4 kinds of x, 40 seeds each: failures against Binomial(40, delta) by Chernoff's bound at
// 1e-10 (bounds.h), a false alarm below 1e-9 over the file.
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "statistical/bounds.h"
#include "support/kernel_clouds.h"
#include "support/planted_kernels.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t seeds = 40, keys = 1200;
constexpr double eps = 1, delta = 0.1;

std::vector<double> exact_sums(const KernelCloud& cloud) {
  std::vector<double> sums;
  for (std::int64_t i = 0; i < keys; ++i) sums.push_back(plain_sums(cloud, 0, 0, i).sum[0]);
  return sums;
}

double norm(const KernelCloud& cloud) {
  double square = 0;
  for (std::int64_t j = 0; j < keys; ++j)
    square += cloud.value.get(0, 0, j, 0) * cloud.value.get(0, 0, j, 0);
  return std::sqrt(square);
}

struct Errors {
  std::int64_t failures = 0;
  double mean_square = 0, square_of_mean = 0;  // of y - Kx, over |x|^2
};

Errors run_seeds(const KernelCloud& cloud) {
  const std::vector<double> exact = exact_sums(cloud);
  const double size = norm(cloud);
  std::vector<double> mean(keys, 0.0);
  Errors errors;
  for (std::int64_t seed = 0; seed < seeds; ++seed) {
    const KernelRun run = run_kernel_sums(cloud.problem(), "kmv(eps=1,delta=0.1,always=true)",
                                          {.seed = static_cast<std::uint64_t>(seed)});
    double square = 0;
    for (std::int64_t i = 0; i < keys; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const double miss = (run.out.get(0, 0, i, 0) - exact[at]) / size;
      square += miss * miss;
      mean[at] += miss / static_cast<double>(seeds);
    }
    errors.failures += square > eps * eps ? 1 : 0;
    errors.mean_square += square / static_cast<double>(seeds);
  }
  for (const double m : mean) errors.square_of_mean += m * m;
  return errors;
}

TEST(Kmv, FailsNoMoreOftenThanDelta) {
  for (const PlantedX x : all_planted_x) {
    const KernelCloud cloud = planted_kernels({.keys = keys, .dim = 48, .cluster = 6}, x, 21);
    const Errors errors = run_seeds(cloud);
    EXPECT_TRUE(static_cast<double>(errors.failures) <= delta * static_cast<double>(seeds) ||
                binomial_plausible(errors.failures, seeds, delta))
        << static_cast<int>(x) << ": " << errors.failures;
    // The expected square is planned to be delta eps^2.
    EXPECT_LE(errors.mean_square, 2 * delta * eps * eps) << static_cast<int>(x);
    if (x == PlantedX::one_hot) continue;  // exactly, to rounding
    // Draws are in use, and unbiased: the mean over the seeds has a 40th of the mean square.
    EXPECT_GE(errors.mean_square, 1e-5) << static_cast<int>(x);
    EXPECT_LE(errors.square_of_mean, 0.15 * errors.mean_square) << static_cast<int>(x);
  }
}

}  // namespace
}  // namespace subquad::testing
