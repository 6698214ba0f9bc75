// Same seed, same bits, whatever the threads; other seeds, other samples.
#include <array>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/density.h"
#include "support/density_cloud.h"

namespace subquad::testing {
namespace {

TEST(DensityThreads, ChangeNoBit) {
  const PointRows points = mixture(2500, 3, 1), queries = mixture(300, 3, 2);
  const std::array sigma{1.0};
  for (const char* method : {"auto", "exact", "sampled", "deann(k=30,m=400)", "hbe(tables=8)",
                             "ckns(mu=0.01)", "far(clusters=32)"}) {
    SCOPED_TRACE(method);
    const auto run = [&](int threads, std::uint64_t seed) {
      return DensityIndex::fit(points.view(), sigma, {threads, seed})
          .query(queries.view(), {.rel_error = 0.3, .method = method, .threads = threads});
    };
    const DensityResult one = run(1, 5), four = run(4, 5);
    EXPECT_EQ(one.value, four.value);
    EXPECT_EQ(one.error, four.error);
    EXPECT_EQ(one.samples, four.samples);
    EXPECT_EQ(one.report.method, four.report.method);
  }
  const auto sampled = [&](std::uint64_t seed) {
    return densities(points, queries, sigma, {.method = "sampled(m=64)"}, seed).value;
  };
  EXPECT_NE(sampled(1), sampled(2));
}

}  // namespace
}  // namespace subquad::testing
