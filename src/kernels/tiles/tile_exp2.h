// exp2 straight to the bits of bf16.
//
// With x in units of 1/512 octave and the exponent's bias added, the bits of 2^x are x / 4, but for
// the mantissa, which is not linear: 2^f = 1 + f - c(f), 0 <= c < 0.087. A table gives c. Relative
// error below 0.0057, 0.0018 in the mean square; rounding to bf16 alone has 0.0039 and 0.0017.
#pragma once

#include <array>
#include <cstdint>

namespace subquad::kernels {

constexpr int kExp2Entries = 64, kUnitsAnEntry = 8, kUnitsAStep = 4;
// Added to x by whoever makes units of it: half a step of the mantissa, less half a unit because
// what is left of a step is cut off.
constexpr float kExp2Rounding = 1.5f;

// Where the weights are wanted closer: 2^f = sum_k terms[k] f^k, relative error 3e-6 for |f| <=
// 1/2.
constexpr float kExp2Terms[] = {1.0f,          0.693147181f,   0.240226507f,
                                0.0555041087f, 0.00961812911f, 0.00133335581f};

// In f32, relative error 2^-22, as kernels/exp2-inl.h: x + kExp2Magic has round(x) and the
// exponent's bias in its low bits.
constexpr float kExp2Magic = 12582912.0f + 127.0f;
constexpr float kExp2FineTerms[] = {1.0f,          6.9314698e-1f, 2.4022242e-1f,
                                    5.5507337e-2f, 9.6715131e-3f, 1.3264727e-3f};

// In units.
const std::array<std::uint8_t, kExp2Entries>& exp2_corrections();

inline std::uint16_t exp2_bits(std::uint16_t units) {
  const auto entry = static_cast<std::size_t>(units / kUnitsAnEntry % kExp2Entries);
  const std::uint8_t correction = exp2_corrections()[entry];
  return static_cast<std::uint16_t>((units > correction ? units - correction : 0) / kUnitsAStep);
}

}  // namespace subquad::kernels
