// The pointwise steps of the backward pass, on rows of base-2 scores.
#pragma once

#include <bit>
#include <cstdint>

namespace subquad::kernels {

// Scores (base-2 logits, -inf = masked) become weights exp2(score - m[r]) in place, rows `stride`
// floats apart. A masked score becomes -0.0f, which tells it from a weight that underflowed.
// Columns up to the next multiple of `lanes` are overwritten.
void weight_rows(float* scores, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                 const float* m);

// Whether weight_rows found a masked score here.
inline bool is_masked(float weight) { return std::bit_cast<std::uint32_t>(weight) == 0x80000000U; }

// gradients[r][c] = weights[r][c] * (gradients[r][c] + offset[r]), 0 where the weight is masked.
// Both have rows `stride` floats apart; columns up to the next multiple of `lanes` are overwritten.
void score_gradient_rows(const float* weights, float* gradients, std::int64_t stride,
                         std::int64_t rows, std::int64_t columns, const float* offset);

// dots[r] = sum_c a[r * width + c] * b[r * width + c].
void dot_rows(const float* a, const float* b, std::int64_t rows, std::int64_t width, float* dots);

// out[r * out_stride + c] += factor * values[r * stride + c], c < width.
void add_rows(const float* values, std::int64_t stride, std::int64_t rows, std::int64_t width,
              float factor, float* out, std::int64_t out_stride);

// Likewise to rows anywhere: out[ids[r] * out_stride + c] += factor * values[r * stride + c].
void scatter_rows(const float* values, std::int64_t stride, const std::int32_t* ids,
                  std::int64_t rows, std::int64_t width, float factor, float* out,
                  std::int64_t out_stride);

// out[c * out_stride + i] += sum over rows r of factors[r * stride + c] * vectors[r * width + i],
// c < columns, i < width; entries whose weight is masked stay out. For few rows; else use gemm.
void add_outer(const float* factors, const float* weights, std::int64_t stride, std::int64_t rows,
               std::int64_t columns, const float* vectors, std::int64_t width, float* out,
               std::int64_t out_stride);

}  // namespace subquad::kernels
