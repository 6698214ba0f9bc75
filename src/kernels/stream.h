// Scores and weighted sums of a few rows over keys in their own layout (decoding).
#pragma once

#include <cstdint>

#include "kernels/pack.h"

namespace subquad::kernels {

// scores[r * stride + j] = query r . key j for every key of the source. queries: f32, rows
// keys.width floats apart. Reads every key once.
void stream_scores(const float* queries, std::int64_t rows, const RowSource& keys, float* scores,
                   std::int64_t stride);

// o[r * o_stride + c] += sum_j weights[r * stride + j] * value j [c]. Reads every value once.
// Returns whether every sum is finite: if so, every value is; if not, o is of no use.
bool stream_values(const float* weights, std::int64_t stride, std::int64_t rows,
                   const RowSource& values, float* o, std::int64_t o_stride);

}  // namespace subquad::kernels
