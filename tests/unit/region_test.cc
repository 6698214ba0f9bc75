// Which strided views share memory: the search against lists of all bytes.
#include "core/region.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/error.h"
#include "support/draw.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t kSize = 4096;
const std::array<char, kSize> memory{};

TensorView view_at(std::int64_t byte, DType type, const Shape4& shape, const Shape4& stride) {
  return {memory.data() + byte, type, shape, stride};
}

// Every byte of the view, as often as an element holds it.
std::vector<const char*> bytes_of(const TensorView& view) {
  std::vector<const char*> bytes;
  for (std::int64_t b = 0; b < view.batch(); ++b)
    for (std::int64_t h = 0; h < view.heads(); ++h)
      for (std::int64_t i = 0; i < view.length(); ++i)
        for (std::int64_t n = 0; n < view.channels() * size_of(view.dtype); ++n)
          bytes.push_back(static_cast<const char*>(view.data) +
                          view.offset(b, h, i) * size_of(view.dtype) + n);
  std::sort(bytes.begin(), bytes.end());
  return bytes;
}

bool share_bytes(const TensorView& a, const TensorView& b) {
  const std::vector<const char*> mine = bytes_of(a), theirs = bytes_of(b);
  std::vector<const char*> both;
  std::set_intersection(mine.begin(), mine.end(), theirs.begin(), theirs.end(),
                        std::back_inserter(both));
  return !both.empty();
}

bool repeats_bytes(const TensorView& view) {
  const std::vector<const char*> bytes = bytes_of(view);
  return std::adjacent_find(bytes.begin(), bytes.end()) != bytes.end();
}

bool overlap(const TensorView& a, const TensorView& b) {
  return subquad::overlap(region_of("a", a), region_of("b", b));
}

TensorView random_view(Draw& draw) {
  const auto whole = [&](std::int64_t low, std::int64_t high) { return draw.integer(low, high); };
  const DType type = whole(0, 1) == 0 ? DType::f32 : DType::f16;
  const Shape4 shape{whole(0, 3), whole(1, 4), whole(1, 5), whole(1, 6)};
  const Shape4 stride{whole(-40, 40), whole(-20, 20), whole(-9, 9), 1};
  return view_at(kSize / 2 + whole(0, 60) * size_of(type), type, shape, stride);
}

TEST(Region, OverlapIsThatOfTheBytes) {
  Draw draw(1);
  std::array<int, 2> pairs{}, selves{};
  for (int n = 0; n < 4000; ++n) {
    const TensorView a = random_view(draw), b = random_view(draw);
    const bool shared = share_bytes(a, b), repeated = repeats_bytes(a);
    ASSERT_EQ(shared, overlap(a, b)) << n;
    ASSERT_EQ(shared, overlap(b, a)) << n;
    ASSERT_EQ(repeated, overlaps_itself(region_of("a", a))) << n;
    ++pairs[shared ? 1 : 0];
    ++selves[repeated ? 1 : 0];
  }
  for (const int count : {pairs[0], pairs[1], selves[0], selves[1]}) EXPECT_GT(count, 400);
}

// (batch, position, 3, head, channel), as one product of a layer leaves it.
TEST(Region, PackedQueryKeyValueAreApart) {
  constexpr std::int64_t heads = 12, width = 64, length = 131'072;
  const Shape4 shape{2, heads, length, width};
  const Shape4 stride{length * 3 * heads * width, width, 3 * heads * width, 1};
  const auto part = [&](std::int64_t n) {
    return region_of("part", TensorView{memory.data() + n * 2, DType::f16, shape, stride});
  };
  const std::int64_t step = heads * width;
  for (std::int64_t n = 0; n < 3; ++n) {
    EXPECT_FALSE(overlaps_itself(part(n * step)));
    for (std::int64_t m = 0; m < 3; ++m)
      EXPECT_EQ(n == m, subquad::overlap(part(n * step), part(m * step)));
    EXPECT_TRUE(subquad::overlap(part(n * step), part(n * step + 1)));
  }
}

TEST(Region, BroadcastAndTouchingViews) {
  const TensorView whole = view_at(0, DType::f32, {1, 1, 8, 4}, {0, 0, 4, 1});
  EXPECT_FALSE(overlap(whole, view_at(128, DType::f32, {1, 1, 8, 4}, {0, 0, 4, 1})));
  EXPECT_TRUE(overlap(whole, view_at(127, DType::f32, {1, 1, 8, 4}, {0, 0, 4, 1})));
  EXPECT_TRUE(overlap(whole, view_at(124, DType::f32, {3, 1, 1000, 1}, {0, 0, 0, 1})));
  EXPECT_FALSE(overlap(whole, view_at(124, DType::f32, {3, 1, 0, 1}, {0, 0, 0, 1})));
  EXPECT_TRUE(overlaps_itself(region_of("a", view_at(0, DType::f32, {3, 1, 1, 1}, {0, 0, 0, 1}))));
  EXPECT_TRUE(overlaps_itself(region_of("a", view_at(0, DType::f32, {1, 1, 3, 4}, {0, 0, 3, 1}))));
  EXPECT_FALSE(overlaps_itself(region_of("a", view_at(0, DType::f32, {1, 1, 1, 4}, {7, 7, 0, 1}))));
}

// Strides without any order to them: the answer may err on the safe side, but comes at once.
TEST(Region, IrregularStridesEnd) {
  const Shape4 shape{1000, 1000, 1000, 2};
  const auto at = [&](std::int64_t byte, const Shape4& stride) {
    return region_of("a", view_at(byte, DType::f16, shape, stride));
  };
  EXPECT_TRUE(subquad::overlap(at(0, {99'991, 100'003, 99'989, 1}),
                               at(1'000'002, {100'019, 100'043, 100'049, 1})));
  EXPECT_TRUE(overlaps_itself(at(0, {99'991, 100'003, 99'989, 1})));
}

TEST(Region, StridesBeyondTheAddressSpace) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const Shape4 strides[] = {{1, 1, most, 1},
                            {most, 1, 1, 1},
                            {1, -most - 1, 1, 1},
                            {1, 1, most / 4 + 1, 1},
                            {1, std::int64_t{1} << 55, 1, 1}};
  for (const Shape4& stride : strides)
    EXPECT_THROW(region_of("a", view_at(0, DType::f32, {2, 2, 3, 4}, stride)), Error);
  // Down below address 0.
  const std::int64_t below = -(reinterpret_cast<std::intptr_t>(memory.data()) / 4 + 1);
  EXPECT_THROW(region_of("a", view_at(0, DType::f32, {1, 1, 2, 4}, {0, 0, below, 1})), Error);
  // A view without elements reaches nothing.
  EXPECT_NO_THROW(region_of("a", view_at(0, DType::f32, {2, 0, 3, 4}, {most, most, most, 1})));
}

}  // namespace
}  // namespace subquad::testing
