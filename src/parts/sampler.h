// A light part in the role of a sampler: for a group of rows it names weighted runs of keys, whose
// sums estimate those over all keys that the rows may see. The executors leave the entries of heavy
// sets out of the runs and the weights as they are, so that the estimate is of the complement.
#pragma once

#include "rows/attend_run.h"
#include "rows/head_problem.h"
#include "rows/key_run.h"
#include "rows/row_block.h"
#include "parts/sampler_gradient.h"

namespace subquad {

class Sampler {
 public:
  virtual ~Sampler() = default;
  // Appends the runs of these rows. Thread-safe.
  virtual void add_runs(const IndexList& rows, RunList& runs) const = 0;
  // Adds the sums of `runs`, which add_runs() has just named, to rows that hold those of all heavy
  // sets: every run as it stands, unless the sampler has rules of its own. Thread-safe for
  // different rows.
  virtual void add_sums(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                        TileScratch& scratch, RunList& runs);
  // nullptr: the estimate is no more than the sums of its runs. Valid once all rows have been
  // through add_sums().
  virtual const SamplerGradient* gradient() const { return nullptr; }
  // Called once by a forward pass, when all rows have been through: the time to hand over counts.
  virtual void finish() {}
};

}  // namespace subquad
