// kappa against sums over dense matrices in double precision.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "subquad/error.h"
#include "subquad/probe.h"
#include "support/dense_softmax.h"
#include "support/isa.h"
#include "support/random_problem.h"

namespace subquad::testing {
namespace {

// Whether row i holds key j in its heavy set.
using Heavy = std::function<bool(std::int64_t i, std::int64_t j)>;

// What kappa is made of, in double: rows by what the library may know of them.
struct Expected {
  double low = HUGE_VAL, high = -HUGE_VAL;  // log light sums of the resolved rows
  double slack = 0;  // how far two f32 log-sums may put log kappa off: a quarter at the floor
  std::int64_t resolved = 0, empty = 0, unresolved = 0, borderline = 0;
};

// The light share of row i of P, sinks not counted; -1 without a visible light key.
double light_share(const DenseHead& dense, const Heavy& heavy, std::int64_t i) {
  double light = 0, all = 0;
  bool any = false;
  for (std::int64_t j = 0; j < dense.keys; ++j) {
    all += dense.weight(i, j);
    if (!dense.sees(i, j) || heavy(i, j)) continue;
    any = true;
    light += dense.weight(i, j);
  }
  return any ? light / all : -1;
}

// lse of row i over its keys, sinks not counted.
double key_lse(const DenseHead& dense, std::int64_t i) {
  double all = 0;
  for (std::int64_t j = 0; j < dense.keys; ++j) all += dense.weight(i, j);
  return dense.lse[static_cast<std::size_t>(i)] + std::log(all);
}

Expected expect_from(const DenseHead& dense, const Heavy& heavy) {
  Expected expected;
  double low_share = 1, high_share = 1;
  for (std::int64_t i = 0; i < dense.rows; ++i) {
    const double share = light_share(dense, heavy, i);
    if (share < 0) {
      ++expected.empty;
      continue;
    }
    const double lse = key_lse(dense, i), floor = kappa_floor(lse);
    if (share > 0.8 * floor && share < 1.25 * floor) ++expected.borderline;
    if (share <= floor) {
      ++expected.unresolved;
      continue;
    }
    ++expected.resolved;
    const double log_sum = lse + std::log(share);
    if (log_sum < expected.low) low_share = share / floor;
    if (log_sum > expected.high) high_share = share / floor;
    expected.low = std::min(expected.low, log_sum);
    expected.high = std::max(expected.high, log_sum);
  }
  expected.slack = 0.25 / low_share + 0.25 / high_share + 4e-6 * std::max(1.0, dense.max_score);
  return expected;
}

// Returns whether the head could be checked: no row may lie at the floor.
bool check_head(const Kappa& found, const DenseHead& dense, const Heavy& heavy) {
  SCOPED_TRACE(::testing::Message() << "sequence " << dense.sequence << " head " << dense.head);
  EXPECT_EQ(found.sequence, dense.sequence);
  EXPECT_EQ(found.head, dense.head);
  EXPECT_EQ(found.rows + found.empty_rows + found.unresolved_rows, dense.rows);
  const Expected expected = expect_from(dense, heavy);
  EXPECT_EQ(found.empty_rows, expected.empty);
  if (expected.borderline > 0) return false;
  EXPECT_EQ(found.rows, expected.resolved);
  EXPECT_EQ(found.unresolved_rows, expected.unresolved);
  const double log_kappa = expected.resolved > 0 ? expected.high - expected.low : 0;
  EXPECT_NEAR(found.log10_kappa * std::numbers::ln10, log_kappa, expected.slack);
  EXPECT_NEAR(std::log10(found.kappa), found.log10_kappa, 1e-9);
  return true;
}

// sink(3): the first three keys of each sequence. Masks hide them from some rows, some rows see
// nothing else.
TEST(ProbeKappa, RandomProblemsMatchTheDefinition) {
  constexpr std::array types{DType::f32, DType::bf16, DType::f16};
  const Heavy heavy = [](std::int64_t, std::int64_t j) { return j < 3; };
  int checked = 0, heads = 0;
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    const OwnedProblem random = random_problem(
        seed, types[seed % 3], {.max_length = 90, .max_head_dim = 96, .max_work = 4'000'000});
    SCOPED_TRACE(random.description);
    const std::vector<DenseHead> dense = dense_softmax(random.problem);
    const std::vector<Kappa> found =
        probe_kappa(random.problem, "sink(3)", {.threads = static_cast<int>(seed % 3)});
    ASSERT_EQ(found.size(), dense.size());
    for (std::size_t n = 0; n < dense.size(); ++n, ++heads)
      checked += check_head(found[n], dense[n], heavy);
    if (HasFailure()) return;
  }
  EXPECT_GT(checked, heads * 3 / 4);
}

// Membership as attend() shows it: weights of the heavy parts alone on one-hot values.
std::vector<char> heavy_entries(const OwnedProblem& owned, const std::string& spec,
                                std::uint64_t seed) {
  const Shape4& k = owned.key.shape();
  const Shape4 shape{1, 1, owned.query.shape()[2], k[2]};
  TensorBuffer identity(DType::f32, {1, 1, k[2], k[2]}), out(DType::f32, shape);
  TensorBuffer error(DType::f32, {1, 1, shape[2], 1});
  identity.for_each([&](auto b, auto h, auto j, auto c) { identity.set(b, h, j, c, j == c); });
  Problem problem = owned.problem;
  problem.value = identity.view();
  attend(problem, spec, {out.mutable_view(), {}, error.mutable_view()}, {0, seed});
  std::vector<char> held;
  // Error 0: the row had no heavy key and was computed exactly.
  out.for_each([&](auto b, auto h, auto i, auto c) {
    held.push_back(error.get(b, h, i, 0) != 0 && out.get(b, h, i, c) > 0);
  });
  return held;
}

TEST(ProbeKappa, SortLshBlocks) {
  OwnedProblem owned = gaussian_problem({.queries = 300, .keys = 280, .head_dim = 16}, 1);
  for (const Causal causal : {Causal::none, Causal::top_left, Causal::bottom_right})
    for (const std::string spec : {"sortlsh(block=32)", "sortlsh(block=16,rounds=3)+sink(2)"}) {
      owned.problem.causal = causal;
      const std::vector<char> held = heavy_entries(owned, spec, 7);
      const Heavy heavy = [&](std::int64_t i, std::int64_t j) {
        return held[static_cast<std::size_t>(i * 280 + j)] != 0;
      };
      const std::vector<DenseHead> dense = dense_softmax(owned.problem);
      on_every_isa([&] {
        EXPECT_TRUE(check_head(probe_kappa(owned.problem, spec, {.seed = 7})[0], dense[0], heavy));
      });
    }
}

// Constant light sums: kappa is 1, whatever the shift of each row.
TEST(ProbeKappa, KnownMatrices) {
  OwnedProblem owned = gaussian_problem({.queries = 50, .keys = 50}, 2);
  owned.problem.scale = 0.0F;
  const Kappa flat = probe_kappa(owned.problem, "sink(10)")[0];
  EXPECT_NEAR(flat.kappa, 1, 1e-5);
  EXPECT_EQ(flat.rows, 50);
  // Causal with 10 sinks: rows 0..9 have no light key, row i has i - 9 light keys of weight 1.
  owned.problem.causal = Causal::top_left;
  const Kappa causal = probe_kappa(owned.problem, "sink(10)")[0];
  EXPECT_EQ(causal.empty_rows, 10);
  EXPECT_EQ(causal.rows, 40);
  EXPECT_NEAR(causal.kappa, 40, 1e-3);
  // Nothing is left: no row counts.
  const Kappa none = probe_kappa(owned.problem, "sink(50)")[0];
  EXPECT_EQ(none.empty_rows, 50);
  EXPECT_EQ(none.rows, 0);
  EXPECT_EQ(none.kappa, 1);
  EXPECT_EQ(none.log10_kappa, 0);
}

// Row 0's scores are 400 above the others': exp(400) overflows f32, not the probe.
TEST(ProbeKappa, RowsAreNotShifted) {
  OwnedProblem owned = gaussian_problem({.queries = 20, .keys = 30, .head_dim = 4}, 3);
  owned.problem.scale = 1.0F;
  for (std::int64_t c = 0; c < 4; ++c) {
    for (std::int64_t i = 0; i < 20; ++i) owned.query.set(0, 0, i, c, i == 0 ? 20 : 0);
    for (std::int64_t j = 0; j < 30; ++j) owned.key.set(0, 0, j, c, c == 0 ? 20 : 0);
  }
  const Kappa wide = probe_kappa(owned.problem, "sink(2)")[0];
  EXPECT_NEAR(wide.log10_kappa, 400 / std::numbers::ln10, 1e-3);
  owned.problem.scale = 2.0F;
  EXPECT_EQ(probe_kappa(owned.problem, "sink(2)")[0].kappa,
            std::numeric_limits<double>::infinity());
}

// Key 0 takes all but 1e-9 of rows 5..9: below the floor, and not empty.
TEST(ProbeKappa, UnresolvedRowsAreCounted) {
  OwnedProblem owned = gaussian_problem({.queries = 20, .keys = 30, .head_dim = 4}, 4);
  owned.problem.scale = 1.0F;
  for (std::int64_t c = 0; c < 4; ++c) {
    for (std::int64_t i = 0; i < 20; ++i)
      owned.query.set(0, 0, i, c, i >= 5 && i < 10 && c == 0 ? 1 : 0);
    for (std::int64_t j = 0; j < 30; ++j) owned.key.set(0, 0, j, c, j == 0 ? 24 : 0);
  }
  const Kappa found = probe_kappa(owned.problem, "sink(1)")[0];
  EXPECT_EQ(found.unresolved_rows, 5);
  EXPECT_EQ(found.empty_rows, 0);
  EXPECT_EQ(found.rows, 15);
  EXPECT_NEAR(found.kappa, 1, 1e-4);
}

TEST(ProbeKappa, NanStaysInItsHead) {
  OwnedProblem owned = gaussian_problem({.heads = 2, .kv_heads = 2, .queries = 40, .keys = 50}, 5);
  owned.key.set(0, 1, 7, 2, std::nan(""));
  const std::vector<Kappa> found = probe_kappa(owned.problem, "window(9)");
  EXPECT_GT(found[0].kappa, 1);
  EXPECT_TRUE(std::isnan(found[1].kappa));
}

TEST(ProbeKappa, BitsDoNotDependOnTheThreadCount) {
  const OwnedProblem owned = gaussian_problem(
      {.batch = 2, .heads = 4, .kv_heads = 2, .queries = 500, .keys = 400, .head_dim = 16}, 6);
  const auto one = probe_kappa(owned.problem, "sortlsh(block=64)", {.threads = 1, .seed = 3});
  for (const int threads : {2, 5}) {
    const auto again =
        probe_kappa(owned.problem, "sortlsh(block=64)", {.threads = threads, .seed = 3});
    for (std::size_t n = 0; n < one.size(); ++n) EXPECT_EQ(one[n].kappa, again[n].kappa);
  }
}

TEST(ProbeKappa, NoKeysOrNoQueries) {
  const OwnedProblem no_keys = gaussian_problem({.queries = 5, .keys = 0}, 7);
  EXPECT_EQ(probe_kappa(no_keys.problem, "sink(1)")[0].empty_rows, 5);
  const OwnedProblem no_queries = gaussian_problem({.queries = 0, .keys = 5}, 8);
  EXPECT_EQ(probe_kappa(no_queries.problem, "sink(1)")[0].rows, 0);
}

TEST(ProbeKappa, WrongArgumentsAreNamed) {
  const OwnedProblem owned = gaussian_problem({.queries = 10, .keys = 20}, 9);
  const auto message = [&](const std::string& spec, int threads) {
    try {
      probe_kappa(owned.problem, spec, {.threads = threads});
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
      return std::string(error.what());
    }
    return std::string("no error");
  };
  for (const std::string spec :
       {"exact", "sink(1)+uniform(m=4)", "sink(1)+drop", "magic(3)", "", "sink(x=2)"})
    EXPECT_EQ(message(spec, 0).find("heavy_spec '" + spec + "'"), 0U) << message(spec, 0);
  EXPECT_EQ(message("sink(1)", -1).find("threads"), 0U);
}

}  // namespace
}  // namespace subquad::testing
