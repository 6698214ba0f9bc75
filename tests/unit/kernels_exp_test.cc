// exp2 of the softmax kernels against double precision, on every instruction set.
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/softmax.h"
#include "kernels_support.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

// exp2(x - reference) by the kernel, as one row.
std::vector<float> exp2_of(const std::vector<float>& x, float reference = 0.0F) {
  const auto count = static_cast<std::int64_t>(x.size());
  Scratch<float> row = canary_floats(round_up(count, 64));
  std::copy(x.begin(), x.end(), row.data());
  kernels::exp2_rows(row.data(), row.size(), 1, count, &reference);
  return {row.data(), row.data() + count};
}

double worst_relative_error(const std::vector<float>& x) {
  const std::vector<float> found = exp2_of(x);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = std::exp2(static_cast<double>(x[i]));
    worst = std::max(worst, std::fabs(static_cast<double>(found[i]) / exact - 1.0));
  }
  return worst;
}

// Evenly spaced, at the ends of every unit interval, and where the rounding turns.
std::vector<float> arguments(float low, float high) {
  std::vector<float> x;
  constexpr int steps = 400'000;
  for (int i = 0; i <= steps; ++i)
    x.push_back(low + (high - low) * static_cast<float>(i) / static_cast<float>(steps));
  for (float half = low; half <= high; half += 0.5F) {
    x.push_back(half);
    if (half > low) x.push_back(std::nextafter(half, low));
    if (half < high) x.push_back(std::nextafter(half, high));
  }
  return x;
}

TEST(KernelsExp, RelativeErrorBelowZero) {
  const std::vector<float> x = arguments(-126.0F, 0.0F);
  on_every_isa([&] { EXPECT_LT(worst_relative_error(x), 2e-7); });
}

TEST(KernelsExp, RelativeErrorAboveZero) {
  const std::vector<float> x = arguments(0.0F, 126.0F);
  on_every_isa([&] { EXPECT_LT(worst_relative_error(x), 2e-7); });
}

TEST(KernelsExp, TinyArgumentsNearZero) {
  std::vector<float> x;
  for (int e = -149; e < 0; ++e) x.push_back(-std::ldexp(1.0F, e));
  on_every_isa([&] { EXPECT_LT(worst_relative_error(x), 2e-7); });
}

TEST(KernelsExp, WholeNumbersAreExact) {
  std::vector<float> x;
  for (int e = 0; e >= -126; --e) x.push_back(static_cast<float>(e));
  on_every_isa([&] {
    const std::vector<float> found = exp2_of(x);
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(found[i], std::exp2(x[i])) << x[i];
  });
}

TEST(KernelsExp, ZeroBelowTheSmallestNormal) {
  const std::vector<float> x{std::nextafter(-126.0F, -infinity),
                             -126.5F,
                             -127.0F,
                             -150.0F,
                             -1e4F,
                             -1e9F,
                             -3e38F,
                             -infinity};
  on_every_isa([&] {
    for (const float weight : exp2_of(x)) {
      EXPECT_EQ(weight, 0.0F);
      EXPECT_FALSE(std::signbit(weight));
    }
  });
}

TEST(KernelsExp, NanStaysWhereItIs) {
  on_every_isa([] {
    for (std::size_t at = 0; at < 37; ++at) {
      std::vector<float> x(37, -1.0F);
      x[at] = std::nanf("");
      const std::vector<float> found = exp2_of(x);
      for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(std::isnan(found[i]), i == at) << i;
    }
  });
}

TEST(KernelsExp, RowsHaveTheirOwnReference) {
  on_every_isa([] {
    constexpr std::int64_t rows = 5, columns = 21, stride = 48;
    Scratch<float> scores = canary_floats(rows * stride);
    std::vector<float> m;
    for (std::int64_t r = 0; r < rows; ++r) {
      m.push_back(r == 3 ? -infinity : 10.0F * static_cast<float>(r));
      for (std::int64_t c = 0; c < columns; ++c)
        scores[r * stride + c] = r == 3 ? -infinity : m.back() - 0.25F * static_cast<float>(c);
    }
    kernels::exp2_rows(scores.data(), stride, rows, columns, m.data());
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) {
        const double exact = r == 3 ? 0.0 : std::exp2(-0.25 * static_cast<double>(c));
        ASSERT_NEAR(static_cast<double>(scores[r * stride + c]), exact, 2e-7 * exact);
      }
  });
}

}  // namespace
}  // namespace subquad::testing
