// The law of the Hamming sorted hash (HyperAttention, Definition 1), and the sort by bucket.
//
// Each of the r hyperplanes separates x and y with probability p = theta / pi, independently of
// each other and of the sign pattern of x. Hence Pr[H(x) = H(y)] = (1 - p)^r. The buckets lie on
// the cycle of the reflected Gray code, where the two neighbours of a bucket differ from it in one
// sign each; for r >= 2 they are two different buckets, so Pr[H(x) = H(y) +- 1 mod 2^r] = 2 p (1 -
// p)^(r - 1), as the definition says. For r = 1 both neighbours are the same bucket and the
// probability is p, not the definition's 2 p (which passes 1 beyond a right angle).
//
// Checks: 7 angles * 4 bit counts * 2 laws, 2 laws on each instruction set, 4 more: at most 70
// binomial ones at 1e-10 each, a false alarm below 1e-8 over the file.
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

#include "index/hash_head.h"
#include "statistical/bounds.h"
#include "support/isa.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t pairs = 128;  // independent: each pair has two coordinates of its own
constexpr std::int64_t rounds = 250;

// Query i and key i lie in coordinates 2i and 2i + 1 at angle theta, with lengths that do not
// count.
OwnedProblem pairs_at_angle(double theta) {
  OwnedProblem owned =
      gaussian_problem({.queries = pairs, .keys = pairs, .head_dim = 2 * pairs}, 1);
  owned.query.fill([] { return 0.0; });
  owned.key.fill([] { return 0.0; });
  for (std::int64_t i = 0; i < pairs; ++i) {
    const double length = 0.5 + 0.1 * static_cast<double>(i);
    owned.query.set(0, 0, i, 2 * i, 3.0);
    owned.key.set(0, 0, i, 2 * i, length * std::cos(theta));
    owned.key.set(0, 0, i, 2 * i + 1, length * std::sin(theta));
  }
  return owned;
}

struct Hits {
  std::int64_t same = 0, adjacent = 0;
};

Hits count_hits(const HeadProblem& head, std::int64_t bits, std::uint64_t seed) {
  Hits hits;
  const std::uint32_t last = (1U << bits) - 1;
  for (std::int64_t round = 0; round < rounds; ++round) {
    const HashBuckets buckets =
        hash_head(head, Rng(seed, 0), round, {.bits = bits, .center = false}, 1);
    for (std::int64_t i = 0; i < pairs; ++i) {
      const std::uint32_t gap = (buckets.rows[i] - buckets.keys[i]) & last;
      hits.same += gap == 0 ? 1 : 0;
      hits.adjacent += gap == 1 || gap == last ? 1 : 0;
    }
  }
  return hits;
}

void check_law(const HeadProblem& head, double theta, std::int64_t bits) {
  const double p = theta / std::numbers::pi, stay = std::pow(1 - p, static_cast<double>(bits));
  const double adjacent = bits == 1 ? p : 2 * p * std::pow(1 - p, static_cast<double>(bits - 1));
  const Hits hits = count_hits(head, bits, static_cast<std::uint64_t>(1000 * theta) + 7);
  constexpr std::int64_t n = pairs * rounds;
  EXPECT_TRUE(binomial_plausible(hits.same, n, stay))
      << "theta " << theta << " bits " << bits << ": " << hits.same << " of " << n << " for "
      << stay;
  EXPECT_TRUE(binomial_plausible(hits.adjacent, n, adjacent))
      << "theta " << theta << " bits " << bits << ": " << hits.adjacent << " of " << n << " for "
      << adjacent;
}

TEST(SortLsh, CollisionsFollowTheAngle) {
  for (const double theta : {0.02, 0.2, 0.7, 1.2, 1.7, 2.5, 3.0}) {
    const OwnedProblem owned = pairs_at_angle(theta);
    const HeadProblem head = split_heads(owned.problem).front();
    for (const std::int64_t bits : {1, 2, 3, 8}) check_law(head, theta, bits);
  }
}

TEST(SortLsh, CollisionsFollowTheAngleOnEveryIsa) {
  const OwnedProblem owned = pairs_at_angle(0.5);
  const HeadProblem head = split_heads(owned.problem).front();
  on_every_isa([&] { check_law(head, 0.5, 4); });
}

// The law of Definition 1 for one bit, 2 p, is ruled out by the same data that p passes.
TEST(SortLsh, OneBitHasOneNeighbour) {
  const double theta = 0.7, p = theta / std::numbers::pi;
  const OwnedProblem owned = pairs_at_angle(theta);
  const Hits hits = count_hits(split_heads(owned.problem).front(), 1, 3);
  EXPECT_TRUE(binomial_plausible(hits.adjacent, pairs * rounds, p));
  EXPECT_FALSE(binomial_plausible(hits.adjacent, pairs * rounds, 2 * p));
}

// A negative scale turns every angle round: theta becomes pi - theta.
TEST(SortLsh, NegativeScaleTurnsTheAngle) {
  OwnedProblem owned = pairs_at_angle(2.6);
  owned.problem.scale = -1.0F;
  check_law(split_heads(owned.problem).front(), std::numbers::pi - 2.6, 4);
}

// Centring hashes key - mean: a shift of all keys changes no bucket (but for signs at rounding).
TEST(SortLsh, CentringForgetsACommonShift) {
  OwnedProblem owned = gaussian_problem({.queries = 50, .keys = 4000, .head_dim = 16}, 5);
  const HashBuckets before = hash_head(split_heads(owned.problem).front(), Rng(1, 0), 0, {}, 1);
  for (std::int64_t j = 0; j < 4000; ++j)
    for (std::int64_t c = 0; c < 16; ++c)
      owned.key.set(0, 0, j, c, owned.key.get(0, 0, j, c) + 10.0);
  const HashBuckets after = hash_head(split_heads(owned.problem).front(), Rng(1, 0), 0, {}, 1);
  std::int64_t moved = 0;
  for (std::int64_t j = 0; j < 4000; ++j) moved += before.keys[j] == after.keys[j] ? 0 : 1;
  EXPECT_LE(moved, 8);
}

TEST(SortLsh, GrayRankIsABijectionOfNeighbours) {
  constexpr std::uint32_t bits = 16, size = 1U << bits;
  std::vector<std::uint32_t> signs_at(size, size);
  for (std::uint32_t signs = 0; signs < size; ++signs) {
    const std::uint32_t rank = gray_rank(signs);
    ASSERT_LT(rank, size);
    ASSERT_EQ(signs_at[rank], size) << "rank " << rank << " twice";
    signs_at[rank] = signs;
  }
  for (std::uint32_t rank = 0; rank < size; ++rank)
    ASSERT_EQ(__builtin_popcount(signs_at[rank] ^ signs_at[(rank + 1) % size]), 1) << rank;
}

TEST(SortLsh, GrayRankOfAllWidths) {
  for (std::uint32_t bits = 1; bits <= 24; ++bits) {
    EXPECT_EQ(gray_rank(0), 0U);
    EXPECT_EQ(gray_rank(1U << (bits - 1)), (1U << bits) - 1);  // the last of the cycle
  }
}

void check_order(const Scratch<std::uint32_t>& buckets) {
  const Scratch<std::int32_t> order = sort_by_bucket(buckets.span(), 0);
  ASSERT_EQ(order.size(), buckets.size());
  std::vector<bool> seen(static_cast<std::size_t>(order.size()), false);
  for (std::int64_t i = 0; i < order.size(); ++i) {
    ASSERT_GE(order[i], 0);
    ASSERT_LT(order[i], order.size());
    seen[static_cast<std::size_t>(order[i])] = true;
    if (i == 0) continue;
    const std::uint32_t a = buckets[order[i - 1]], b = buckets[order[i]];
    ASSERT_TRUE(a < b || (a == b && order[i - 1] < order[i])) << i;
  }
  for (const bool one : seen) ASSERT_TRUE(one);
}

TEST(SortLsh, SortByBucketIsStable) {
  Draw draw(1);
  for (const std::int64_t count : {0, 1, 2, 100, 5000})
    for (const std::int64_t top :
         {std::int64_t{0}, std::int64_t{3}, std::int64_t{4095}, std::int64_t{4096},
          std::int64_t{1 << 24}, std::int64_t{0xffffffff}}) {
      Scratch<std::uint32_t> buckets(count);
      for (std::int64_t i = 0; i < count; ++i)
        buckets[i] = static_cast<std::uint32_t>(draw.integer(0, top));
      check_order(buckets);
    }
}

}  // namespace
}  // namespace subquad::testing
