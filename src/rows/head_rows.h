// Rows of a head from a tensor shaped like the query or the output.
#pragma once

#include <cstdint>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "kernels/pack.h"

namespace subquad {

// out[i * width + c] = factor * rows[i][c] as f32. Any rows, any group.
void load_head_rows(const HeadProblem& head, const TensorView& view, const IndexList& rows,
                    float factor, float* out, std::int64_t width);

// A row's one number in an f32 tensor like lse; 0 where the caller gave none.
inline float read_f32(const HeadProblem& head, const TensorView& view, std::int64_t row) {
  return view.empty() ? 0.0f : *static_cast<const float*>(head.row_in(view, row));
}

// The listed rows of a source that has all.
inline kernels::RowSource select_rows(kernels::RowSource source, const IndexList& list) {
  source.ids = list.ids;
  source.first = list.first;
  source.count = list.count;
  return source;
}

// `count` rows of f32 in memory, `stride` apart.
inline kernels::RowSource dense_rows(const float* data, std::int64_t width, std::int64_t stride,
                                     std::int64_t count) {
  return {data, DType::f32, stride, width, nullptr, 0, count};
}

}  // namespace subquad
