// Normalisations of a row of activations.
#pragma once

#include <cstdint>

namespace subquad::ops {

// out[c] = (x[c] - mean) / sqrt(variance + epsilon) * weight[c] + bias[c], variance over `count`
// (not count - 1). out may be x.
void layer_norm(const float* x, const float* weight, const float* bias, float epsilon,
                std::int64_t count, float* out);

// out[c] = x[c] / sqrt(mean of x^2 + epsilon) * weight[c]. out may be x.
void rms_norm(const float* x, const float* weight, float epsilon, std::int64_t count, float* out);

}  // namespace subquad::ops
