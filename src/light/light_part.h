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
#include "light/light_gradient.h"

namespace subquad {

class LightPart {
 public:
  virtual ~LightPart() = default;
  // any, or positions: then the executors group rows by position.
  virtual RowOrder row_order() const { return RowOrder::any; }
  // Called once, before all else, with the sets whose complement is estimated; they outlive it.
  virtual void begin(const EntrySets& /*heavy*/, int /*threads*/) {}
  // Appends the runs of these rows. Thread-safe.
  virtual void add_runs(const IndexList& rows, RunList& runs) const = 0;
  // Adds the estimate to rows that hold the sums of all heavy sets, and appends its runs: their
  // sums, unless the part has rules of its own. Thread-safe.
  virtual void add_to(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                      TileScratch& scratch, RunList& runs) const;
  // nullptr: the estimate is no more than the sums of its runs. Valid once all rows have been
  // through add_to().
  virtual const LightGradient* gradient() const { return nullptr; }
};

class LightRule {
 public:
  virtual ~LightRule() = default;
  // nullptr: nothing is added (drop). `head` must outlive the part.
  virtual std::unique_ptr<LightPart> prepare(const HeadProblem& head, const Rng& rng,
                                             int threads) const = 0;
};

}  // namespace subquad
