// The steps of clustering that are not matrix products.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// dots[i] = sum_c rows[(ids ? ids[i] : i) * stride + c] * direction[c], c < stride; stride a
// multiple of `lanes`.
void project_rows(const float* rows, std::int64_t stride, const std::int32_t* ids,
                  std::int64_t count, const float* direction, float* dots);

// For every column i < columns rounded up to `lanes`: where some scores[r * stride + i] + bias[r]
// is above best[i], best[i] becomes the largest and winner[i] becomes first + r, the first such r.
void take_largest(const float* scores, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                  const float* bias, std::int32_t first, float* best, std::int32_t* winner);

}  // namespace subquad::kernels
