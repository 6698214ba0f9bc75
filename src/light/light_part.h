// The second contract: an estimate of everything that is not in the heavy sets.
//
// A LightRule is what a spec names ("uniform(m=256)"). prepare() does the work that all rows of a
// head share (draw, cluster, pack); the LightPart then gives, for a group of rows, weighted runs of
// keys whose sums estimate those over all keys the rows may see. The executors leave the entries of
// heavy sets out of the runs, so that the estimate is of the complement.
#pragma once

#include <memory>

#include "core/head_problem.h"
#include "core/rng.h"
#include "exact/row_block.h"
#include "exact/tile_scratch.h"
#include "heavy/heavy_set.h"

namespace subquad {

class LightPart {
 public:
  virtual ~LightPart() = default;
  // any, or positions: then the executors group rows by position.
  virtual RowOrder row_order() const { return RowOrder::any; }
  // Appends the runs of these rows. Thread-safe.
  virtual void add_runs(const IndexList& rows, RunList& runs) const = 0;
};

class LightRule {
 public:
  virtual ~LightRule() = default;
  // nullptr: nothing is added (drop). `head` must outlive the part.
  virtual std::unique_ptr<LightPart> prepare(const HeadProblem& head, const Rng& rng,
                                             int threads) const = 0;
};

}  // namespace subquad
