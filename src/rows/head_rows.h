// Rows of a head from a tensor shaped like the query or the output.
#pragma once

#include <cstdint>

#include "rows/head_problem.h"
#include "core/index_list.h"

namespace subquad {

// out[i * width + c] = factor * rows[i][c] as f32. Any rows, any group.
void load_head_rows(const HeadProblem& head, const TensorView& view, const IndexList& rows,
                    float factor, float* out, std::int64_t width);

}  // namespace subquad
