// Element masks that say the same to all rows of a head: padding.
#pragma once

#include "rows/head_problem.h"

namespace subquad {

// Whether the element mask hides the same keys from every row, but for rows from which it hides
// all, and adds nothing to the others. O(rows keys) where the mask has a row for each position.
bool has_one_key_mask(const HeadProblem& head);

// Whether the element mask hides every key from the row.
bool is_masked_row(const HeadProblem& head, std::int64_t row);

}  // namespace subquad
