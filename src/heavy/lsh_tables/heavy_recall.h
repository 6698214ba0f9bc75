// The share of the heavy keys that lists hold, on a sample of rows.
#pragma once

#include "core/rng.h"
#include "heavy/lsh_tables/lsh_tables.h"
#include "parts/row_lists.h"
#include "rows/head_problem.h"

namespace subquad {

// wanted: keys that keep_heavy() finds among all that the sampled rows see; found: those listed.
// 2 n D flops a sampled row. Bits do not depend on `threads`.
SearchRecall measure_heavy_recall(const HeadProblem& head, const RowLists& lists,
                                  const LshTablesOptions& options, const Rng& rng, int threads);

}  // namespace subquad
