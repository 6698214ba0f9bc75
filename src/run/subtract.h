// The one place that takes the entries of heavy sets out of a model's sums over all keys, so that
// each of them counts once.
#pragma once

#include "parts/implied_sums.h"
#include "rows/attend_run.h"
#include "rows/head_problem.h"
#include "rows/key_run.h"
#include "rows/row_block.h"
#include "rows/score_filter.h"

namespace subquad {

// The run of a heavy set has joined the rows' sums, less the entries in `taken`: what the model
// holds for them leaves.
void subtract_entries(const HeadProblem& head, const KeyRun& run, const EntrySets& taken,
                      RowBlock& rows, ImpliedSums& implied, TileScratch& scratch);

}  // namespace subquad
