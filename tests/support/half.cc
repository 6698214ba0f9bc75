#include "support/half.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace subquad::testing {
namespace {

double decoded(int bits, DType type) {
  const auto [fraction_bits, bias] = half_format(type);
  const int magnitude = bits & 0x7fff;
  const int exponent = magnitude >> fraction_bits;
  const int fraction = magnitude - (exponent << fraction_bits);
  double value = std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
  if (exponent == 0) value = std::ldexp(fraction, 1 - bias - fraction_bits);
  if (exponent == 2 * bias + 1) value = fraction == 0 ? HUGE_VAL : std::nan("");
  return (bits & 0x8000) != 0 ? -value : value;
}

std::vector<double> all_decoded(DType type) {
  std::vector<double> values;
  for (int bits = 0; bits < 1 << 16; ++bits) values.push_back(decoded(bits, type));
  return values;
}

}  // namespace

// Yardsticks read elements one at a time, millions of them.
double decode_half(std::uint16_t bits, DType type) {
  static const std::vector<double> f16 = all_decoded(DType::f16), bf16 = all_decoded(DType::bf16);
  return (type == DType::f16 ? f16 : bf16)[bits];
}

std::uint16_t encode_half(double value, DType type) {
  const auto [fraction_bits, bias] = half_format(type);
  const int sign = std::signbit(value) ? 0x8000 : 0;
  const int infinity = (2 * bias + 1) << fraction_bits;
  const double magnitude = std::fabs(value);
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  exponent = std::max(exponent - 1, 1 - bias);
  int bits = 0;
  if (std::isnan(value)) {
    bits = infinity + (1 << (fraction_bits - 1));
  } else if (std::isinf(value) || exponent > bias) {
    bits = infinity;
  } else if (magnitude > 0) {
    const double steps = std::nearbyint(std::ldexp(magnitude, fraction_bits - exponent));
    bits = ((exponent + bias - 1) << fraction_bits) + static_cast<int>(steps);
  }
  return static_cast<std::uint16_t>(sign | bits);
}

}  // namespace subquad::testing
