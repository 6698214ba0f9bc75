// Takes out of a row's sums what the far field's clusters hold for entries that heavy sets have
// evaluated.
//
// source: ours. Cluster c gives each of its keys the same share of its weight, w_c(q) (v_k, 1): the
// share of the heavy ones leaves, so that the estimate is of the complement.
// cost: R D + keys Dv multiply-adds a row, and the masks of the run's entries.
#pragma once

#include <cstdint>

#include "rows/key_run.h"
#include "rows/attend_run.h"
#include "far/clusters/far_field.h"
#include "index/key_clusters.h"

namespace subquad {

// For the entries that `run` gave to the rows (all of one block). key_end[i]: the far field of row
// i of the block holds keys below it; nullptr: all keys.
void subtract_shares(const HeadProblem& head, RowBlock& rows, const KeyRun& run,
                     const EntrySets& taken, const FarField& far, const Partition& clusters,
                     const std::int64_t* key_end, TileScratch& scratch);

// Gives `weight` times as much back for the entries of the run (its exceptions set aside) that
// heavy sets hold.
void add_back_entries(const HeadProblem& head, RowBlock& rows, const KeyRun& run,
                      const EntrySets& heavy, const FarField& far, const Partition& clusters,
                      double weight, TileScratch& scratch);

}  // namespace subquad
