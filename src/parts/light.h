// The second contract: an estimate of everything that is not in the heavy sets.
//
// A LightRule is what a spec names ("uniform(m=256)"). prepare() does the work that all rows of a
// head share (draw, cluster, pack); the LightPart then gives, for a group of rows, weighted runs of
// keys whose sums estimate those over all keys the rows may see. The executors leave the entries of
// heavy sets out of the runs, so that the estimate is of the complement.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "core/rng.h"
#include "rows/row_block.h"
#include "rows/attend_run.h"
#include "parts/heavy.h"
#include "parts/light_backward.h"
#include "parts/light_gradient.h"

namespace subquad {

class LightPart {
 public:
  virtual ~LightPart() = default;
  // any, or positions: then the executors group rows by position.
  virtual RowOrder row_order() const { return RowOrder::any; }
  // Called once, before all else, with the sets whose complement is estimated; they outlive it.
  virtual void begin(const EntrySets& /*heavy*/, int /*threads*/) {}
  // True: the part advises against itself; the head runs exactly.
  virtual bool wants_exact() const { return false; }
  // True: rows are divided by their sum of weights as it stands, negative or not, and are zero
  // where it is 0. False: rows whose sum is not positive are computed again exactly.
  virtual bool divides_any_sum() const { return false; }
  // Appends sets that the part itself wants evaluated exactly, after begin().
  virtual void add_sets(std::vector<std::unique_ptr<HeavySet>>& /*sets*/) {}
  // Called after a heavy set's run has joined the sums of `rows`: a part whose estimate is of all
  // keys takes its share of the run's entries out again. Thread-safe.
  virtual void take_out(const HeadProblem& /*head*/, RowBlock& /*rows*/, const HeavySet& /*set*/,
                        std::int64_t /*group*/, const KeyRun& /*run*/, const EntrySets& /*taken*/,
                        TileScratch& /*scratch*/) const {}
  // Appends the runs of these rows. Thread-safe.
  virtual void add_runs(const IndexList& rows, RunList& runs) const = 0;
  // Adds the estimate to rows that hold the sums of all heavy sets, and appends its runs: their
  // sums, unless the part has rules of its own. Thread-safe.
  virtual void add_to(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                      TileScratch& scratch, RunList& runs) const;
  // The standard error of each row's output, where the part knows it better than its samples would
  // tell. The rows hold their final sums. Thread-safe.
  virtual bool row_errors(const HeadProblem& /*head*/, RowBlock& /*rows*/,
                          const EntrySets& /*heavy*/, TileScratch& /*scratch*/,
                          float* /*error*/) const {
    return false;
  }
  // Sums over all rows, estimated: of |error of the output|_2^2 and of |output|_2^2.
  struct Squares {
    double error = 0, out = 0;
  };
  virtual Squares squares() const { return {}; }
  // nullptr: the estimate is no more than the sums of its runs. Valid once all rows have been
  // through add_to().
  virtual const LightGradient* gradient() const { return nullptr; }
  // nullptr: the estimate comes from runs alone. Throws Error where there is no derivative. What
  // `arguments` points to must outlive the result.
  virtual std::unique_ptr<LightBackward> backward(const BackwardArguments& /*arguments*/,
                                                  int /*threads*/) const {
    return nullptr;
  }
};

class LightRule {
 public:
  virtual ~LightRule() = default;
  // nullptr: nothing is added (drop). `head` must outlive the part.
  virtual std::unique_ptr<LightPart> prepare(const HeadProblem& head, const Rng& rng,
                                             int threads) const = 0;
  // True: settle() must have seen the parts of all heads of a sequence, after their begin(), before
  // anything else is asked of them.
  virtual bool settles() const { return false; }
  virtual void settle(std::span<LightPart* const> /*heads*/) const {}
};

}  // namespace subquad
