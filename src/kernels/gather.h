// Rows picked out of a matrix, and put back.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// Some rows of `width` floats of a matrix.
struct PickedRows {
  const std::int32_t* ids;
  std::int64_t count, width;
};

// out[i * out_stride + c] = from[ids[i] * stride + c].
void gather_rows(const float* from, std::int64_t stride, const PickedRows& rows, float* out,
                 std::int64_t out_stride);

// out[ids[i] * out_stride + c] = from[i * stride + c].
void put_rows(const float* from, std::int64_t stride, const PickedRows& rows, float* out,
              std::int64_t out_stride);

}  // namespace subquad::kernels
