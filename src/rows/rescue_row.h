// Rows whose sums overflow float32 although all they see is finite.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "subquad/attention.h"

namespace subquad {

// Whether the row's query and all keys and values that it may see are finite. O(keys (D + Dv)).
bool sees_only_finite(const HeadProblem& head, std::int64_t row);

// Exact attention of one row in double: writes out and lse, which ends at the largest float, if the
// row sees only finite numbers; else leaves them as they are. Slow: 2 keys (D + Dv) flops, one by
// one.
void rescue_row(const HeadProblem& head, std::int64_t row, const Outputs& outputs);

// The row's scores in double, mask included, over keys [visible.begin, visible.end): -inf where
// hidden.
std::vector<double> double_scores(const HeadProblem& head, std::int64_t row);

}  // namespace subquad
