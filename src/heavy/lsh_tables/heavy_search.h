// Each row's heavy keys, by hash tables of the keys of its piece.
#pragma once

#include "core/rng.h"
#include "heavy/lsh_tables/lsh_tables.h"
#include "parts/row_lists.h"
#include "rows/head_problem.h"
#include "rows/row_scores.h"

namespace subquad {

// Of the listed keys, ascending, those whose weight is at least n^-alpha of the largest among them;
// n: the keys that the row's band leaves it. Hidden keys never. Scores that are NaN count as +inf.
void keep_heavy(const HeadProblem& head, std::int64_t row, const IndexList& keys, double alpha,
                RowScores& scores, std::vector<std::int32_t>& kept);

// Bits do not depend on `threads`.
RowLists find_heavy(const HeadProblem& head, const LshTablesOptions& options, const Rng& rng,
                    int threads);

}  // namespace subquad
