// Activation functions of feed-forward layers, in place.
#pragma once

#include <cstdint>

namespace subquad::ops {

// x[c] = 0.5 x (1 + erf(x / sqrt 2)), the exact GELU. Error below 3e-7 max(1, |x|). NaN stays.
void gelu(float* x, std::int64_t count);

// gate[c] = silu(gate[c]) * up[c], silu(x) = x / (1 + e^-x): the gated layer of Llama. Relative
// error of silu below 4e-7 (1 + |x| / 4). NaN stays.
void silu_gate(const float* up, std::int64_t count, float* gate);

}  // namespace subquad::ops
