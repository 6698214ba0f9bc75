// A light part in the role of a model: it sums over all keys that a row may see, cheaply, and can
// say what it holds for single entries. The run subtracts that for every heavy entry
// (run/subtract.h), so that the estimate is of the complement.
#pragma once

#include <cstdint>
#include <memory>

#include "rows/attend_run.h"
#include "rows/head_problem.h"
#include "rows/key_run.h"
#include "rows/row_block.h"
#include "parts/heavy.h"
#include "parts/implied_entries.h"
#include "parts/model_backward.h"
#include "subquad/attention.h"

namespace subquad {

// What is thread-safe here is so for different rows.
class Model {
 public:
  virtual ~Model() = default;
  // True: rows are divided by their sum of weights as it stands, negative or not, and are zero
  // where it is 0. False: rows whose sum is not positive are computed again exactly.
  virtual bool divides_any_sum() const { return false; }
  // A heavy set that the model wants beside the method's own; nullptr: none. Asked once all choices
  // are made; the model keeps it.
  virtual const HeavySet* near_field() const { return nullptr; }
  // What the model holds for all entries of a group of its near field leaves the rows' sums, at
  // once: entry by entry would cost more. A model with a near field has this. Thread-safe.
  virtual void subtract_near_field(RowBlock& /*rows*/, std::int64_t /*group*/) {}
  // What it holds for single entries; for one thread. Thread-safe.
  virtual std::unique_ptr<ImpliedEntries> implied() = 0;
  // Adds the sums over all keys to rows that hold the sums of all heavy sets, less what has been
  // subtracted. `runs`: those that the part has named as a sampler; the model attends them.
  // Thread-safe.
  virtual void add_estimate(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                            TileScratch& scratch, const RunList& runs) = 0;
  // The standard error of each row's output, NaN where unknown. The rows hold their final sums.
  // Thread-safe.
  virtual void row_errors(RowBlock& rows, const EntrySets& heavy, TileScratch& scratch,
                          float* error) const = 0;
  // Not asked where the head runs exactly. Throws Error where there is no derivative. What
  // `arguments` points to must outlive the result.
  virtual std::unique_ptr<ModelBackward> backward(const BackwardArguments& arguments,
                                                  int threads) const = 0;
};

}  // namespace subquad
