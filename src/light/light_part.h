// The second contract: an estimate of everything that is not in the heavy sets.
//
// A LightRule is what a spec names ("uniform(m=256)"). prepare() does the work that all rows of a
// head share (draw, cluster, pack); the LightPart then adds its estimate to any rows,
// complement-correct: entries in the heavy sets must not be counted again.
#pragma once

#include <memory>

#include "core/head_problem.h"
#include "core/rng.h"
#include "exact/row_block.h"
#include "exact/score_filter.h"
#include "exact/tile_scratch.h"

namespace subquad {

class LightPart {
 public:
  virtual ~LightPart() = default;
  // Merges the estimated sums over all visible keys outside `heavy`. Thread-safe.
  virtual void add_to(RowBlock& rows, const EntrySets& heavy, TileScratch& scratch) const = 0;
  // With the rows' final sums (all parts merged): squared_error[i] = estimate of |out_i -
  // exact_i|_2^2 due to this part; NaN where it cannot tell. Does not change the sums.
  virtual void squared_error(RowBlock& rows, const EntrySets& heavy, TileScratch& scratch,
                             float* squared_error) const = 0;
};

class LightRule {
 public:
  virtual ~LightRule() = default;
  // nullptr: nothing is added (drop). `head` must outlive the part.
  virtual std::unique_ptr<LightPart> prepare(const HeadProblem& head, const Rng& rng,
                                             int threads) const = 0;
};

}  // namespace subquad
