// The one place that takes the entries of heavy sets out of a model's sums over all keys, so that
// each of them counts once.
#pragma once

#include "parts/implied_gradients.h"
#include "parts/implied_sums.h"
#include "rows/attend_run.h"
#include "rows/backward_sums.h"
#include "rows/head_problem.h"
#include "rows/key_run.h"
#include "rows/row_block.h"
#include "rows/score_filter.h"

namespace subquad {

// The run of a heavy set has joined the rows' sums, less the entries in `taken`: what the model
// holds for them leaves.
void subtract_entries(const HeadProblem& head, const KeyRun& run, const EntrySets& taken,
                      RowBlock& rows, ImpliedSums& implied, TileScratch& scratch);

// Backward: rows `part` of the group have met the tile of keys, less the entries in `left_out`.
// `sums` are those of the keys.
void subtract_entries(const IndexList& rows, const Range& part, const IndexList& keys,
                      const EntrySets& left_out, const KeySums& sums, ImpliedGradients& implied);

}  // namespace subquad
