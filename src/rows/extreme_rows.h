// The backward pass of rows whose lse is so large that float32 cannot tell their weights from it:
// all their keys behind a mask of -3.4e38, or scores of 1e30.
#pragma once

#include <cmath>

#include "core/index_list.h"
#include "rows/head_problem.h"
#include "subquad/attention.h"

namespace subquad {

constexpr float kLargestLse = 0x1p30f;

inline bool is_extreme_lse(float lse) { return std::isfinite(lse) && std::abs(lse) > kLargestLse; }

// Adds the gradients of the listed rows that are extreme and have one: in double, from scores and
// weights computed anew, row after row. Slow.
void add_extreme_rows(const HeadProblem& head, const IndexList& rows,
                      const BackwardArguments& arguments);

// Error (invalid_argument) if the row is extreme and has a gradient to hand on: for methods that do
// not evaluate all of a row's keys.
void refuse_extreme_row(const HeadProblem& head, std::int64_t row,
                        const BackwardArguments& arguments);

}  // namespace subquad
