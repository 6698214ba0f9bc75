// The elementwise steps of a transformer block, a row at a time.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// x[c] = 0.5 x (1 + erf(x / sqrt 2)), the exact GELU. Error below 3e-7 max(1, |x|). NaN stays.
void gelu(float* x, std::int64_t count);

// out[c] = (x[c] - mean) / sqrt(variance + epsilon) * weight[c] + bias[c], variance over `count`
// (not count - 1). out may be x.
void layer_norm(const float* x, const float* weight, const float* bias, float epsilon,
                std::int64_t count, float* out);

// out[c] += x[c].
void add(const float* x, std::int64_t count, float* out);

}  // namespace subquad::kernels
