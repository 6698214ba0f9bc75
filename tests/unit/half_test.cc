// The scalar conversions of f16 and bf16 against the formats' definition (support/half.h).
#include <bit>
#include <cmath>
#include <cstdint>

#include <gtest/gtest.h>

#include "kernels/half.h"
#include "support/draw.h"
#include "support/half.h"

namespace subquad::testing {
namespace {

float widen(std::uint16_t bits, DType type) {
  return type == DType::f16 ? f16_to_f32(bits) : bf16_to_f32(bits);
}
std::uint16_t narrow(float value, DType type) {
  return type == DType::f16 ? f32_to_f16(value) : f32_to_bf16(value);
}
bool is_nan(std::uint16_t bits, DType type) { return std::isnan(decode_half(bits, type)); }

constexpr DType half_types[] = {DType::f16, DType::bf16};

TEST(Half, EveryValueWidensToItsDefinition) {
  for (const DType type : half_types)
    for (std::uint32_t n = 0; n < 65536; ++n) {
      const auto bits = static_cast<std::uint16_t>(n);
      const float wide = widen(bits, type);
      if (is_nan(bits, type)) {
        ASSERT_TRUE(std::isnan(wide)) << n;
        continue;
      }
      ASSERT_EQ(static_cast<double>(wide), decode_half(bits, type)) << n;
      ASSERT_EQ(std::signbit(wide), (n & 0x8000U) != 0) << n;
    }
}

TEST(Half, EveryValueSurvivesTheRoundTrip) {
  for (const DType type : half_types)
    for (std::uint32_t n = 0; n < 65536; ++n) {
      const auto bits = static_cast<std::uint16_t>(n);
      const std::uint16_t back = narrow(widen(bits, type), type);
      if (is_nan(bits, type))
        ASSERT_TRUE(is_nan(back, type)) << n;
      else
        ASSERT_EQ(back, bits) << n;
    }
}

// Bit for bit, but any NaN will do for a NaN.
void expect_rounded(float value, DType type) {
  const std::uint16_t found = narrow(value, type);
  if (std::isnan(value)) {
    ASSERT_TRUE(is_nan(found, type)) << std::bit_cast<std::uint32_t>(value);
    return;
  }
  ASSERT_EQ(found, encode_half(static_cast<double>(value), type))
      << name_of(type) << " " << value << " = " << std::bit_cast<std::uint32_t>(value);
}

// Both neighbours of every value, every tie between two values, and the neighbours of the tie.
TEST(Half, RoundsToNearestEvenAtEveryTie) {
  for (const DType type : half_types)
    for (std::uint32_t n = 0; n < 65536; ++n) {
      const auto bits = static_cast<std::uint16_t>(n);
      const auto next = static_cast<std::uint16_t>(n + 1);
      if (is_nan(bits, type) || is_nan(next, type)) continue;
      const double middle = 0.5 * (decode_half(bits, type) + decode_half(next, type));
      const float value = widen(bits, type);
      for (const float near : {value, static_cast<float>(middle)})
        for (const float at :
             {near, std::nextafterf(near, -HUGE_VALF), std::nextafterf(near, HUGE_VALF)})
          expect_rounded(at, type);
      if (::testing::Test::HasFatalFailure()) return;
    }
}

TEST(Half, RandomBitPatterns) {
  Draw draw(17);
  for (int n = 0; n < 1'000'000; ++n) {
    const auto bits = static_cast<std::uint32_t>(draw.integer(0, 0xffffffff));
    for (const DType type : half_types) expect_rounded(std::bit_cast<float>(bits), type);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(Half, OverflowAndUnderflow) {
  EXPECT_EQ(f32_to_f16(65504.0F), 0x7bff);
  EXPECT_EQ(f32_to_f16(65519.996F), 0x7bff);  // the largest that rounds down
  EXPECT_EQ(f32_to_f16(65520.0F), 0x7c00);    // the tie goes to the even infinity
  EXPECT_EQ(f32_to_f16(-1e30F), 0xfc00);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x7f7f7fffU)), 0x7f7f);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x7f7f8000U)), 0x7f80);
  EXPECT_EQ(f32_to_f16(0x1p-24F), 0x0001);
  EXPECT_EQ(f32_to_f16(0x1p-25F), 0x0000);  // half of the smallest: even
  EXPECT_EQ(f32_to_f16(std::nextafterf(0x1p-25F, 1.0F)), 0x0001);
  EXPECT_EQ(f32_to_f16(-0.0F), 0x8000);
  EXPECT_EQ(f32_to_bf16(-0.0F), 0x8000);
}

TEST(Half, NanWithLowPayloadStaysNan) {
  for (const std::uint32_t bits : {0x7f800001U, 0xff800001U, 0x7fffffffU, 0x7f80ffffU})
    for (const DType type : half_types)
      EXPECT_TRUE(is_nan(narrow(std::bit_cast<float>(bits), type), type)) << bits;
}

}  // namespace
}  // namespace subquad::testing
