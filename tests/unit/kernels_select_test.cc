// Splitting, counting and marking scores against plain loops, on every instruction set.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "heavy/topk/kth_score.h"
#include "kernels/select.h"
#include "kernels_support.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t longest = 150;

// Few different values, so that many are equal to a threshold.
std::vector<float> coarse_scores(Draw& draw, std::int64_t count, bool with_nan) {
  std::vector<float> scores(static_cast<std::size_t>(count));
  for (float& score : scores) {
    score = static_cast<float>(draw.integer(-4, 4)) / 2;
    if (draw.chance(0.1)) score = -infinity;
    if (draw.chance(0.05)) score = infinity;
    if (with_nan && draw.chance(0.05)) score = std::nanf("");
  }
  return scores;
}

bool has_bit(const std::vector<std::uint32_t>& bits, std::int64_t place) {
  return (bits[static_cast<std::size_t>(place / 32)] >> place % 32 & 1) != 0;
}

void check_split(const std::vector<float>& scores, float low, float high, std::int32_t first) {
  const auto count = static_cast<std::int64_t>(scores.size());
  std::vector<std::uint32_t> bits(static_cast<std::size_t>((first + count) / 32 + 2), 0);
  const std::size_t room = scores.size() + static_cast<std::size_t>(kernels::kSplitPadding);
  std::vector<float> kept(room);
  std::vector<std::int32_t> ids(room);
  const kernels::SplitResult found = kernels::split_scores(scores.data(), count, low, high, first,
                                                           bits.data(), kept.data(), ids.data());
  std::int64_t above = 0;
  std::size_t between = 0;
  for (std::int64_t place = 0; place < first + count; ++place) {
    const float score = place < first ? -infinity : scores[static_cast<std::size_t>(place - first)];
    const bool is_above = !(score <= high), is_between = score <= high && score >= low;
    above += is_above ? 1 : 0;
    ASSERT_EQ(has_bit(bits, place), is_above) << place;
    if (!is_between) continue;
    ASSERT_EQ(kept[between], score);
    ASSERT_EQ(ids[between], place);
    ++between;
  }
  EXPECT_EQ(found.above, above);
  EXPECT_EQ(found.between, static_cast<std::int64_t>(between));
}

TEST(KernelsSelect, SplitScores) {
  on_every_isa([] {
    Draw draw(1);
    for (std::int64_t count = 0; count <= longest; ++count)
      for (const std::int32_t first : {0, 32, 7, 77}) {
        const std::vector<float> scores = coarse_scores(draw, count, true);
        check_split(scores, -1.0F, 1.0F, first);
        check_split(scores, 0.5F, 0.5F, first);
        check_split(scores, -3e38F, infinity, first);
        check_split(scores, -3e38F, -infinity, first);
      }
  });
}

TEST(KernelsSelect, SplitWithoutBits) {
  const std::vector<float> scores{3, 1, 2};
  std::vector<float> kept(3 + kernels::kSplitPadding);
  std::vector<std::int32_t> ids(kept.size());
  const auto found =
      kernels::split_scores(scores.data(), 3, 1.5F, 2.5F, 10, nullptr, kept.data(), ids.data());
  EXPECT_EQ(found.above, 1);
  ASSERT_EQ(found.between, 1);
  EXPECT_EQ(ids[0], 12);
}

TEST(KernelsSelect, CountAndRange) {
  on_every_isa([] {
    Draw draw(2);
    for (std::int64_t count = 1; count <= longest; ++count) {
      const std::vector<float> scores = coarse_scores(draw, count, false);
      for (const float threshold : {-infinity, -1.0F, 0.0F, 2.0F, infinity})
        EXPECT_EQ(kernels::count_at_least(scores.data(), count, threshold),
                  std::count_if(scores.begin(), scores.end(),
                                [&](float score) { return score >= threshold; }));
      const kernels::ScoreRange range = kernels::score_range(scores.data(), count);
      EXPECT_EQ(range.low, *std::min_element(scores.begin(), scores.end()));
      EXPECT_EQ(range.high, *std::max_element(scores.begin(), scores.end()));
    }
  });
}

TEST(KernelsSelect, RaiseNan) {
  on_every_isa([] {
    Draw draw(3);
    for (std::int64_t count = 0; count <= longest; ++count) {
      std::vector<float> scores = coarse_scores(draw, count, true);
      scores.push_back(canary);
      const std::vector<float> before = scores;
      kernels::raise_nan(scores.data(), count);
      for (std::size_t c = 0; c < scores.size(); ++c)
        ASSERT_EQ(scores[c], std::isnan(before[c]) ? infinity : before[c]);
    }
  });
}

TEST(KernelsSelect, MasksByBits) {
  on_every_isa([] {
    Draw draw(4);
    std::vector<std::uint32_t> bits(longest / 32 + 8);
    for (auto& word : bits) word = static_cast<std::uint32_t>(draw.integer(0, 0xFFFFFFFF));
    bits[1] = 0;
    bits[2] = ~0U;
    for (std::int64_t count = 0; count <= longest; ++count)
      for (const std::int64_t first : {0, 5, 31, 64}) {
        std::vector<float> marked(static_cast<std::size_t>(count), 1.0F);
        marked.push_back(canary);
        std::vector<float> unmarked = marked;
        kernels::mask_marked(marked.data(), bits.data(), first, count);
        kernels::mask_unmarked(unmarked.data(), bits.data(), first, count);
        for (std::int64_t c = 0; c < count; ++c) {
          const bool bit = has_bit(bits, first + c);
          ASSERT_EQ(marked[static_cast<std::size_t>(c)], bit ? -infinity : 1.0F)
              << first << " " << c;
          ASSERT_EQ(unmarked[static_cast<std::size_t>(c)], bit ? 1.0F : -infinity);
        }
        ASSERT_EQ(marked.back(), canary);
        ASSERT_EQ(unmarked.back(), canary);
      }
  });
}

void check_kth(const std::vector<float>& scores) {
  std::vector<float> sorted = scores;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  const auto count = static_cast<std::int64_t>(scores.size());
  for (std::int64_t k = 1; k <= count; ++k) {
    const KthScore kth = find_kth(scores.data(), count, k);
    const auto above = std::count_if(scores.begin(), scores.end(),
                                     [&](float score) { return score > kth.threshold; });
    const auto equal = std::count(scores.begin(), scores.end(), kth.threshold);
    // The kept ones, in order, are the k largest.
    ASSERT_EQ(above + std::min(equal, kth.ties), k);
    ASSERT_LE(kth.threshold, sorted[static_cast<std::size_t>(k - 1)]);
  }
}

TEST(KthScore, IsTheOneOfASort) {
  on_every_isa([] {
    Draw draw(5);
    for (std::int64_t count = 1; count <= 90; ++count) {
      check_kth(coarse_scores(draw, count, false));
      std::vector<float> scores(static_cast<std::size_t>(count));
      for (float& score : scores) score = static_cast<float>(draw.normal());
      check_kth(scores);
    }
  });
}

// Values of all sizes, both zeros, the smallest and the largest.
TEST(KthScore, AnyFloats) {
  Draw draw(6);
  for (int round = 0; round < 30; ++round) {
    std::vector<float> scores{0.0F, -0.0F, 1e-45F, -1e-45F, 3.4e38F, -3.4e38F, infinity, -infinity};
    for (int i = 0; i < 40; ++i)
      scores.push_back(static_cast<float>(draw.normal() *
                                          std::exp2(static_cast<double>(draw.integer(-140, 120)))));
    check_kth(scores);
  }
}

}  // namespace
}  // namespace subquad::testing
