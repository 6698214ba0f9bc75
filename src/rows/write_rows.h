// The end of every road: a row's sums become its output.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "rows/partial.h"
#include "subquad/attention.h"

namespace subquad {

// Joins the sink, divides, stores out and lse. A row that saw nothing gives zeros and lse = -inf.
// With `rejected`, rows whose l is not positive although they may see a key are not written but
// listed there (for an exact second try), and so are rows whose sums overflowed; NaN that follows
// from the inputs is written. Without it overflowed rows are computed again in double. Changes
// `sums`.
void write_rows(const HeadProblem& head, const IndexList& rows, const Partial& sums,
                const Outputs& outputs, std::vector<std::int32_t>* rejected = nullptr);

// As above for a method that divides by any sum: a sum of 0 gives zeros and lse = -inf, a negative
// one lse = NaN, one that is not finite NaN; Error (invalid_argument) if a row's sums overflow, or
// their inverse does, though all that it sees is finite. Returns the number of negative sums.
std::int64_t write_signed_rows(const HeadProblem& head, const IndexList& rows, const Partial& sums,
                               const Outputs& outputs);

// Stores one value in every listed row of outputs.row_error, if that is wanted.
void write_row_error(const HeadProblem& head, const IndexList& rows, const Outputs& outputs,
                     float value);

}  // namespace subquad
