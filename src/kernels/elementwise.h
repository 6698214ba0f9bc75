// Elementwise steps, a row at a time.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// out[c] += x[c].
void add(const float* x, std::int64_t count, float* out);

}  // namespace subquad::kernels
