// The second contract: an estimate of everything that is not in the heavy sets.
//
// A LightRule is what a spec names ("uniform(m=256)"). prepare() does the work that all rows of a
// head share (draw, cluster, pack) and says in which roles the part serves: a sampler names
// weighted runs of keys, a model sums over all keys and tells what it holds for single entries; a
// budget advises. A part may have several roles, in one object.
#pragma once

#include <memory>
#include <vector>

#include "core/rng.h"
#include "parts/budget.h"
#include "parts/heavy.h"
#include "parts/model.h"
#include "parts/sampler.h"
#include "parts/work.h"
#include "rows/head_problem.h"

namespace subquad {

// nullptr: not in this role. Neither sampler nor model: nothing is added (drop).
struct LightPart {
  RowOrder row_order = RowOrder::any;  // any, or positions: then the executors group rows so
  std::shared_ptr<Sampler> sampler = nullptr;
  std::shared_ptr<Model> model = nullptr;
  std::shared_ptr<Budget> budget = nullptr;
  // Of the head, or of each of its query heads. They belong to one of the others.
  std::vector<SharedError*> shared_errors = {};
};

class LightRule {
 public:
  virtual ~LightRule() = default;
  // `heavy`: the sets whose complement is estimated. They and `head` must outlive the part.
  virtual LightPart prepare(const HeadProblem& head, const EntrySets& heavy, const Rng& rng,
                            int threads) const = 0;
  // Relative error that the heads of a sequence may be expected to have together: it must have been
  // shared out among their SharedErrors before anything else is asked of them. 0: each for itself.
  virtual double shared_error() const { return 0; }
  virtual Strict strictness() const { return Strict::always; }
  // Of preparing and evaluating it; none where no options make it dearer than exact attention.
  virtual Work work(const HeadProblem&) const { return {}; }
};

}  // namespace subquad
