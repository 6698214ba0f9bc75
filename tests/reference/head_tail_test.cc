// Assumption A's probe against the dense kernel matrix in double precision, and its sampled form
// against the exact one.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/probe.h"
#include "support/draw.h"
#include "support/invalid.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t heads = 4, kv_heads = 2, length = 150, dim = 10;

OwnedProblem layer(double spread, std::int64_t tokens = length) {
  return gaussian_problem(
      {.heads = heads, .kv_heads = kv_heads, .queries = tokens, .keys = tokens, .head_dim = dim}, 5,
      DType::f32, spread);
}

// All logarithms of the kernel matrix of Lemma 4.1, but for M, largest first.
std::vector<double> sorted_logs(const OwnedProblem& owned, std::int64_t head, std::int64_t n) {
  const double scale = 1 / std::sqrt(static_cast<double>(dim));
  std::vector<double> logs;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      double log = 0;
      for (std::int64_t c = 0; c < dim; ++c) {
        const double q = owned.query.get(0, head, i, c);
        const double k = owned.key.get(0, head * kv_heads / heads, j, c);
        log += scale * (q * k - q * q / 2);
      }
      logs.push_back(log);
    }
  std::sort(logs.begin(), logs.end(), std::greater<>());
  return logs;
}

double ratio_of(const std::vector<double>& logs, std::size_t n) {
  double head = 0, tail = 0;
  for (std::size_t e = 0; e < logs.size(); ++e)
    (e < n ? head : tail) += std::exp(logs[e] - logs.front());
  return tail / head;
}

TEST(HeadTail, MatchesTheDenseMatrix) {
  for (const double spread : {0.3, 1.0, 4.0}) {
    const OwnedProblem owned = layer(spread);
    for (const std::int64_t prefix : {0, 1, 2, 60}) {
      const auto found = probe_head_tail(owned.problem, {.prefix = prefix, .threads = 2});
      ASSERT_EQ(found.size(), static_cast<std::size_t>(heads));
      for (std::int64_t h = 0; h < heads; ++h) {
        const HeadTail& tail = found[static_cast<std::size_t>(h)];
        const std::int64_t n = prefix == 0 ? length : prefix;
        const auto size = static_cast<std::size_t>(n);
        const std::vector<double> logs = sorted_logs(owned, h, n);
        EXPECT_EQ(tail.head, h);
        EXPECT_EQ(tail.size, n);
        EXPECT_EQ(tail.rows, n);
        const double ratio = ratio_of(logs, size);
        EXPECT_NEAR(tail.ratio, ratio, 1e-3 * ratio);
        EXPECT_EQ(tail.ratio_error, 0);
        if (n < 2) continue;
        EXPECT_NEAR(std::log(tail.nth_over_next), logs[size - 1] - logs[size], 1e-3);
        EXPECT_NEAR(std::log(tail.nth_over_2nth), logs[size - 1] - logs[2 * size - 1], 1e-3);
      }
    }
  }
}

TEST(HeadTail, ScalesAndThreadsAndTypes) {
  OwnedProblem owned = layer(1);
  owned.problem.scale = -0.4F;
  const auto one = probe_head_tail(owned.problem, {.rows = 40, .threads = 1, .seed = 2});
  const auto many = probe_head_tail(owned.problem, {.rows = 40, .threads = 4, .seed = 2});
  for (std::size_t h = 0; h < one.size(); ++h) {
    EXPECT_EQ(one[h].ratio, many[h].ratio);
    EXPECT_EQ(one[h].ratio_error, many[h].ratio_error);
    EXPECT_GT(one[h].ratio_error, 0);
    EXPECT_EQ(one[h].rows, 40);
  }
}

// Within 4.9 of its own standard errors (1e-6, were they normal), over 8 seeds and 4 heads; and the
// error bar says something.
TEST(HeadTail, SampledFormIsNearTheExactOne) {
  const OwnedProblem owned = layer(1, 1500);
  const auto exact = probe_head_tail(owned.problem);
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const auto sampled = probe_head_tail(owned.problem, {.rows = 300, .seed = seed});
    for (std::size_t h = 0; h < exact.size(); ++h) {
      EXPECT_NEAR(sampled[h].ratio, exact[h].ratio, 4.9 * sampled[h].ratio_error);
      EXPECT_LT(sampled[h].ratio_error, 0.25 * exact[h].ratio);
    }
  }
}

TEST(HeadTail, ScoresThatAreNotFiniteGiveNaN) {
  OwnedProblem owned = layer(1);
  owned.key.set(0, 0, 3, 1, std::nan(""));
  const auto found = probe_head_tail(owned.problem);
  EXPECT_TRUE(std::isnan(found[0].ratio));
  EXPECT_FALSE(std::isnan(found[3].ratio));
  EXPECT_TRUE(std::isnan(probe_head_tail(owned.problem, {.rows = 20})[1].nth_over_next));
}

TEST(HeadTail, BadArgumentsAreNamed) {
  const OwnedProblem owned = layer(1);
  expect_invalid("rows", [&] { probe_head_tail(owned.problem, {.rows = -1}); });
  expect_invalid("prefix", [&] { probe_head_tail(owned.problem, {.prefix = length + 1}); });
  expect_invalid("prefix", [&] { probe_head_tail(owned.problem, {.prefix = -1}); });
  expect_invalid("threads", [&] { probe_head_tail(owned.problem, {.threads = -1}); });
  const OwnedProblem cross = gaussian_problem({.queries = 3, .keys = 4, .head_dim = 2}, 1);
  expect_invalid("query", [&] { probe_head_tail(cross.problem); });
}

TEST(HeadTail, EmptyHeads) {
  const OwnedProblem owned = gaussian_problem({.queries = 0, .keys = 0, .head_dim = 2}, 1);
  EXPECT_EQ(probe_head_tail(owned.problem)[0].size, 0);
}

}  // namespace
}  // namespace subquad::testing
