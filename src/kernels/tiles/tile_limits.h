// What is too large: the largest scores of a panel's step, elements beyond a limit.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// tops[r] = the largest sign * score of row r of (kPanelRows, kStepKeys), of those that are finite;
// -inf where none is.
void step_tops(const float* scores, float sign, float* tops);

// Whether the magnitude of any of `count` bf16 numbers is above that of `limit`, NaN included; bits
// without a sign.
bool any_above(const std::uint16_t* bits, std::int64_t count, std::uint16_t limit);

// tops[r] = the largest of itself and the norms (kStepKeys) of the keys that the panel's row r
// sees: whose score is not -inf.
void seen_tops(const float* scores, const float* norms, float* tops);

}  // namespace subquad::kernels
