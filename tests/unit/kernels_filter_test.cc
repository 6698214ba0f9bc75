// Masks on rows of scores against a plain loop, on every instruction set.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numbers>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/filter.h"
#include "kernels_support.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr std::size_t longest = 70;

std::vector<float> random_scores(Draw& draw, std::size_t count) {
  std::vector<float> scores(count);
  for (float& score : scores)
    score = draw.chance(0.1) ? -infinity : static_cast<float>(draw.normal());
  if (count > 0 && draw.chance(0.5)) scores[count / 2] = std::nanf("");
  return scores;
}

// Applies the kernel to rows of every length and compares with expected(score, column); what lies
// behind the row must stay.
template <typename Kernel, typename Expected>
void check(const Kernel& kernel, const Expected& expected, float tolerance = 0.0F) {
  Draw draw(3);
  for (std::size_t count = 0; count <= longest; ++count) {
    const std::vector<float> before = random_scores(draw, count);
    std::vector<float> after = before;
    after.push_back(canary);
    kernel(after.data(), static_cast<std::int64_t>(count));
    for (std::size_t c = 0; c < count; ++c) {
      const float want = expected(before[c], c);
      if (tolerance == 0.0F || !std::isfinite(want))
        ASSERT_TRUE(same_float(after[c], want)) << c << " of " << count;
      else
        ASSERT_NEAR(after[c], want, tolerance) << c << " of " << count;
    }
    ASSERT_EQ(after.back(), canary) << count;
  }
}

std::vector<std::int32_t> random_labels(std::int64_t high) {
  Draw draw(5);
  std::vector<std::int32_t> labels(longest);
  for (auto& label : labels) label = static_cast<std::int32_t>(draw.integer(0, high));
  return labels;
}

TEST(KernelsFilter, BooleanMask) {
  Draw draw(1);
  std::vector<std::uint8_t> mask(longest);
  for (auto& entry : mask)
    entry = static_cast<std::uint8_t>(draw.chance(0.5) ? draw.integer(1, 255) : 0);
  on_every_isa([&] {
    check([&](float* s, std::int64_t n) { kernels::apply_boolean_mask(s, mask.data(), n); },
          [&](float s, std::size_t c) { return mask[c] != 0 ? s : -infinity; });
  });
}

TEST(KernelsFilter, BooleanMaskTakesEveryNonzeroByte) {
  std::vector<std::uint8_t> mask(256);
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = static_cast<std::uint8_t>(i);
  on_every_isa([&] {
    std::vector<float> scores(mask.size(), 2.0F);
    kernels::apply_boolean_mask(scores.data(), mask.data(), 256);
    for (std::size_t i = 0; i < mask.size(); ++i)
      ASSERT_EQ(scores[i], i == 0 ? -infinity : 2.0F) << i;
  });
}

TEST(KernelsFilter, AdditiveMask) {
  Draw draw(2);
  std::vector<float> mask(longest);
  for (float& entry : mask)
    entry = draw.chance(0.3) ? -infinity : static_cast<float>(draw.normal());
  const auto expected = [&](float s, std::size_t c) {
    if (mask[c] == -infinity) return -infinity;
    return static_cast<float>(static_cast<double>(s) +
                              static_cast<double>(mask[c]) * std::numbers::log2e);
  };
  on_every_isa([&] {
    check([&](float* s, std::int64_t n) { kernels::apply_additive_mask(s, mask.data(), n); },
          expected, 2e-6F);
  });
}

// An entry's bits are the same in the middle of a row and at its end.
TEST(KernelsFilter, AdditiveMaskDoesNotShowTheRowsLength) {
  Draw draw(12);
  std::vector<float> mask(longest), scores(longest);
  for (float& entry : mask) entry = static_cast<float>(5 * draw.normal());
  for (float& score : scores) score = static_cast<float>(3 * draw.normal());
  on_every_isa([&] {
    std::vector<float> whole = scores;
    kernels::apply_additive_mask(whole.data(), mask.data(), longest);
    for (std::size_t c = 0; c < whole.size(); ++c) {
      float alone = scores[c];
      kernels::apply_additive_mask(&alone, &mask[c], 1);
      ASSERT_EQ(alone, whole[c]) << c;
    }
  });
}

TEST(KernelsFilter, MaskedWinsOverNan) {
  const std::vector<float> additive(longest, -infinity);
  const std::vector<std::uint8_t> boolean(longest, 0);
  on_every_isa([&] {
    std::vector<float> a(longest, std::nanf("")), b = a;
    kernels::apply_additive_mask(a.data(), additive.data(), longest);
    kernels::apply_boolean_mask(b.data(), boolean.data(), longest);
    EXPECT_EQ(a, std::vector<float>(longest, -infinity));
    EXPECT_EQ(b, std::vector<float>(longest, -infinity));
  });
}

TEST(KernelsFilter, Bias) {
  std::vector<float> bias(longest);
  for (std::size_t c = 0; c < longest; ++c) bias[c] = 0.25F * static_cast<float>(c);
  on_every_isa([&] {
    check([&](float* s, std::int64_t n) { kernels::add_bias(s, bias.data(), n); },
          [&](float s, std::size_t c) { return s + bias[c]; });
  });
}

TEST(KernelsFilter, Ranges) {
  const std::vector<std::int32_t> ids = random_labels(20);
  on_every_isa([&] {
    for (const auto& [begin, end] : std::vector<std::pair<std::int32_t, std::int32_t>>{
             {0, 21}, {0, 0}, {5, 5}, {5, 6}, {7, 15}, {20, 21}, {21, 30}, {0, 1}}) {
      const auto inside = [&, b = begin, e = end](std::size_t c) {
        return ids[c] >= b && ids[c] < e;
      };
      check([&, b = begin, e = end](
                float* s, std::int64_t n) { kernels::mask_inside(s, ids.data(), n, b, e); },
            [&](float s, std::size_t c) { return inside(c) ? -infinity : s; });
      check([&, b = begin, e = end](
                float* s, std::int64_t n) { kernels::mask_outside(s, ids.data(), n, b, e); },
            [&](float s, std::size_t c) { return inside(c) ? s : -infinity; });
    }
  });
}

TEST(KernelsFilter, FiniteScoresFindsEveryOther) {
  on_every_isa([] {
    for (std::int64_t columns = 1; columns <= 70; ++columns) {
      std::vector<float> scores(3 * 72, infinity);  // behind the columns
      for (std::int64_t r = 0; r < 3; ++r)
        std::fill_n(scores.begin() + r * 72, columns, r == 1 ? -3e38F : 1e-40F);
      ASSERT_TRUE(kernels::finite_scores(scores.data(), 72, 3, columns)) << columns;
      for (const float wild : {infinity, -infinity, std::nanf("")}) {
        float& one = scores[static_cast<std::size_t>(2 * 72 + columns / 2)];
        float& last = scores[static_cast<std::size_t>(72 + columns - 1)];
        for (float* place : {&one, &last}) {
          const float before = std::exchange(*place, wild);
          ASSERT_FALSE(kernels::finite_scores(scores.data(), 72, 3, columns)) << columns;
          *place = before;
        }
      }
    }
  });
}

TEST(KernelsFilter, WithinFindsEveryOther) {
  on_every_isa([] {
    for (std::int64_t count = 1; count <= 70; ++count) {
      std::vector<float> x(static_cast<std::size_t>(count), -8.0f);
      ASSERT_TRUE(kernels::within(x.data(), count, 8.0f)) << count;
      for (std::size_t at = 0; at < x.size(); ++at)
        for (const float wild : {8.5f, -8.5f, infinity, -infinity, std::nanf("")}) {
          const float before = std::exchange(x[at], wild);
          ASSERT_FALSE(kernels::within(x.data(), count, 8.0f)) << count << ' ' << at;
          x[at] = before;
        }
    }
  });
}

}  // namespace
}  // namespace subquad::testing
