// The counter-based generator: known answers, ranges, order.
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "core/rng.h"
#include "support/draw.h"

namespace subquad::testing {
namespace {

// Philox4x32-10, from Random123's published kat_vectors: counter (draw, row, head, purpose), key
// (low, high half of the seed), and the first two words of the answer.
TEST(Rng, KnownAnswers) {
  struct Answer {
    std::uint32_t draw, row, head, purpose;
    std::uint64_t seed, bits;
  };
  for (const Answer& a : {
           Answer{0, 0, 0, 0, 0, 0x6627e8d5e169c58d},
           Answer{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffffffffffff,
                  0x408f276d41c83b0e},
           Answer{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0x299f31d0a4093822,
                  0xd16cfe0994fdcceb},
       }) {
    EXPECT_EQ(Rng(a.seed, a.head).bits(static_cast<Purpose>(a.purpose), a.row, a.draw), a.bits);
  }
}

TEST(Rng, EveryPartOfTheKeyMatters) {
  std::set<std::uint64_t> seen;
  std::size_t count = 0;
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32})
    for (const std::int64_t head : {0, 1, 31})
      for (const Purpose purpose : {Purpose::hyperplane, Purpose::sample})
        for (const std::uint32_t row : {0U, 1U, 70'000U})
          for (std::uint32_t draw = 0; draw < 50; ++draw, ++count)
            seen.insert(Rng(seed, head).bits(purpose, row, draw));
  EXPECT_EQ(seen.size(), count);
}

TEST(Rng, DoesNotDependOnTheOrder) {
  const Rng rng(42, 3);
  std::vector<std::uint64_t> forward, backward;
  for (std::uint32_t draw = 0; draw < 1000; ++draw)
    forward.push_back(rng.bits(Purpose::sample, 7, draw));
  const Rng other(42, 3);
  for (std::uint32_t draw = 1000; draw-- > 0;)
    backward.push_back(other.bits(Purpose::sample, 7, draw));
  EXPECT_EQ(forward, std::vector<std::uint64_t>(backward.rbegin(), backward.rend()));
}

TEST(Rng, BelowStaysBelow) {
  const Rng rng(5, 0);
  for (const std::int64_t bound :
       {std::int64_t{1}, std::int64_t{2}, std::int64_t{3}, std::int64_t{1'000'003},
        (std::int64_t{1} << 31) - 1, (std::int64_t{1} << 62) + 1,
        std::numeric_limits<std::int64_t>::max()})
    for (std::uint32_t draw = 0; draw < 2000; ++draw) {
      const std::int64_t value = rng.below(bound, Purpose::sample, 0, draw);
      ASSERT_GE(value, 0);
      ASSERT_LT(value, bound);
    }
}

// For a power of two the high bits are the answer: the largest bits give bound - 1.
TEST(Rng, BelowScalesTheBits) {
  const Rng rng(6, 1);
  for (int shift = 1; shift < 63; ++shift)
    for (std::uint32_t draw = 0; draw < 50; ++draw) {
      const std::uint64_t bits = rng.bits(Purpose::sample, 2, draw);
      ASSERT_EQ(rng.below(std::int64_t{1} << shift, Purpose::sample, 2, draw),
                static_cast<std::int64_t>(bits >> (64 - shift)));
    }
}

TEST(Rng, BelowReachesEveryValue) {
  const Rng rng(8, 0);
  std::set<std::int64_t> seen;
  for (std::uint32_t draw = 0; draw < 2000; ++draw)
    seen.insert(rng.below(10, Purpose::sample, 0, draw));
  EXPECT_EQ(seen.size(), 10U);  // missing one: probability 10 * 0.9^2000 < 1e-90
}

TEST(Rng, NormalIsFiniteAtTheExtremes) {
  const Rng rng(9, 0);
  for (std::uint32_t draw = 0; draw < 100'000; ++draw) {
    const float value = rng.normal(Purpose::hyperplane, 1, draw);
    ASSERT_TRUE(std::isfinite(value));
    ASSERT_LT(std::fabs(value), 6.8F);  // sqrt(-2 log(2^-33)) = 6.77
  }
}

}  // namespace
}  // namespace subquad::testing
