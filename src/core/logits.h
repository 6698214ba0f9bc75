// Logits as the caller writes them and in base 2, as they are inside. Finite stays finite: beyond
// kPlain the base-2 value grows half as fast, so that order is kept and -inf alone means masked.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace subquad {

namespace logits {
constexpr float kPlain = 0x1p126f;  // log2(e) times this is below half of the largest float
constexpr float kSlope = 0.5f;      // beyond
}  // namespace logits

// Where base-2 values begin to grow half as fast.
constexpr float kLastPlainLog2 = logits::kPlain * std::numbers::log2e_v<float>;

inline float to_log2(float logit) {
  const float plain = std::clamp(logit, -logits::kPlain, logits::kPlain);  // NaN stays
  if (std::isinf(logit)) return logit;
  return plain * std::numbers::log2e_v<float> + (logit - plain) * logits::kSlope;
}

// The inverse, no larger than the largest float.
inline float from_log2(float log2) {
  if (!(std::abs(log2) > kLastPlainLog2) || std::isinf(log2))
    return log2 * std::numbers::ln2_v<float>;
  const float rest = (std::abs(log2) - kLastPlainLog2) / logits::kSlope;
  const float size = std::min(rest, std::numeric_limits<float>::max() - logits::kPlain);
  return std::copysign(logits::kPlain + size, log2);
}

}  // namespace subquad
