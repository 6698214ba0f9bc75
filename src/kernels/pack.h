// Loads rows of any storage type, contiguous or gathered, into the layouts that the kernels read.
#pragma once

#include <cstdint>

#include "subquad/tensor.h"

namespace subquad::kernels {

// `count` rows of `width` channels. Row j lies at base + stride * (ids ? ids[j] : first + j), in
// elements of `dtype`.
struct RowSource {
  const void* base = nullptr;
  DType dtype = DType::f32;
  std::int64_t stride = 0;
  std::int64_t width = 0;
  const std::int32_t* ids = nullptr;
  std::int64_t first = 0;
  std::int64_t count = 0;

  const void* row(std::int64_t j) const {
    const std::int64_t position = ids != nullptr ? ids[j] : first + j;
    return static_cast<const char*>(base) + position * stride * size_of(dtype);
  }
  RowSource slice(std::int64_t begin, std::int64_t length) const {
    RowSource part = *this;
    part.ids = ids != nullptr ? ids + begin : nullptr;
    part.first = first + begin;
    part.count = length;
    return part;
  }
};

// out[j * stride + c] = factor * row(j)[c], f32; `padded` >= width columns, the rest zero.
void load_rows(const RowSource& source, float factor, float* out, std::int64_t stride,
               std::int64_t padded);

// Packed transpose (the B of Q K^T): columns of B are the rows of the source. Column block p holds
// channel c of rows [p * panel, (p + 1) * panel) at out[p * panel * width + c * panel]; missing
// rows are zero. Returns the panel stride.
std::int64_t pack_transposed(const RowSource& source, float* out);

// Packed rows (the B of P V): column block p holds channels [p * panel, ..) of row j at
// out[p * panel_stride + j * panel]; missing channels are zero. Returns whether every element is
// finite.
bool pack_rows(const RowSource& source, float* out, std::int64_t panel_stride);

// Whether every element is finite.
bool all_finite(const RowSource& source);

// Stores f32 values as `dtype`, rounding to nearest even.
void store_row(const float* values, std::int64_t width, float factor, DType dtype, void* out);

}  // namespace subquad::kernels
