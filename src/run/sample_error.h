// How far the sampled sums of a row may be off, from the samples themselves.
#pragma once

#include <span>

#include "rows/key_run.h"
#include "rows/row_block.h"
#include "rows/attend_run.h"

namespace subquad {

// With the rows' final sums (all parts merged): squared_error[i] = estimate of |out_i - exact_i|^2
// due to the runs that are samples (delta method for the ratio o / l, summed over the runs); NaN
// where a run shows a row fewer than two keys. Does not change the sums. About twice the cost of
// the runs.
void sample_errors(const HeadProblem& head, RowBlock& rows, std::span<const KeyRun> runs,
                   const EntrySets& taken, TileScratch& scratch, float* squared_error);

}  // namespace subquad
