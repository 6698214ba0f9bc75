// Every bf16 and f16 value, and their rounding, against the formats' definition on every target.
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/pack.h"
#include "support/draw.h"
#include "support/half.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t all_values = 65536;

bool same_value(double a, double b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

// All 16-bit patterns as rows of `width` values: one row of them all runs through whole vectors,
// rows of one value through the code for tails.
void check_all_loads(DType type, std::int64_t width) {
  std::vector<std::uint16_t> bits(all_values);
  for (std::size_t n = 0; n < bits.size(); ++n) bits[n] = static_cast<std::uint16_t>(n);
  std::vector<float> loaded(all_values);
  kernels::load_rows({bits.data(), type, width, width, nullptr, 0, all_values / width}, 1.0F,
                     loaded.data(), width, width);
  std::int64_t wrong = 0;
  for (std::size_t n = 0; n < bits.size(); ++n)
    if (!same_value(decode_half(bits[n], type), static_cast<double>(loaded[n]))) ++wrong;
  EXPECT_EQ(wrong, 0);
}

TEST(HalfConversion, EveryValueIsReadAsDefined) {
  for (const DType type : {DType::bf16, DType::f16}) {
    SCOPED_TRACE(name_of(type));
    on_every_isa([&] {
      check_all_loads(type, all_values);
      check_all_loads(type, 1);
    });
  }
}

// Random bit patterns and, for each 16-bit value, its neighbourhood: ties and their neighbours.
std::vector<float> rounding_cases(DType type) {
  std::vector<float> values;
  Draw draw(1);
  for (int n = 0; n < 100'000; ++n)
    values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(draw.integer(0, 0xffffffff))));
  for (std::int64_t n = 0; n < all_values; n += 7) {
    const double low = decode_half(static_cast<std::uint16_t>(n), type);
    const double high = decode_half(static_cast<std::uint16_t>(n + 1), type);
    const auto middle = static_cast<float>((low + high) / 2);
    for (const float value : {static_cast<float>(low), middle, std::nextafterf(middle, HUGE_VALF),
                              std::nextafterf(middle, -HUGE_VALF)})
      values.push_back(value);
  }
  return values;
}

void check_stores(DType type, const std::vector<float>& values) {
  std::vector<std::uint16_t> stored(values.size());
  kernels::store_row(values.data(), static_cast<std::int64_t>(values.size()), 1.0F, type,
                     stored.data());
  std::int64_t wrong = 0;
  for (std::size_t n = 0; n < values.size(); ++n) {
    const std::uint16_t expected = encode_half(static_cast<double>(values[n]), type);
    if (!same_value(decode_half(expected, type), decode_half(stored[n], type))) ++wrong;
  }
  EXPECT_EQ(wrong, 0);
}

TEST(HalfConversion, StoresRoundToNearestEven) {
  for (const DType type : {DType::bf16, DType::f16}) {
    SCOPED_TRACE(name_of(type));
    const std::vector<float> values = rounding_cases(type);
    on_every_isa([&] { check_stores(type, values); });
  }
}

}  // namespace
}  // namespace subquad::testing
