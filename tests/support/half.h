// 16-bit floating-point formats by their definition, independent of the library's conversions.
#pragma once

#include <cstdint>

#include "subquad/tensor.h"

namespace subquad::testing {

struct HalfFormat {
  int fraction_bits;
  int bias;
};

constexpr HalfFormat half_format(DType type) {
  return type == DType::f16 ? HalfFormat{10, 15} : HalfFormat{7, 127};
}

double decode_half(std::uint16_t bits, DType type);

// Rounds to nearest, ties to even; too large gives infinity.
std::uint16_t encode_half(double value, DType type);

}  // namespace subquad::testing
