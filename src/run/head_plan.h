// How the parts of a method go through the rows of one head: forward and backward alike.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "rows/key_run.h"
#include "methods/method.h"

namespace subquad {

// A heavy set in a pass, and the sets whose entries it leaves out: those before it.
struct PlanStep {
  const HeavySet* set;
  EntrySets taken;
  // The set is the model's near field, and holds all its entries: they leave the model's sums as a
  // whole.
  bool leaves_whole;
};

// Groups of rows that share no row, and the sets evaluated for each group.
struct PlanPass {
  std::span<const IndexList> groups;
  std::vector<PlanStep> steps;
};

// Sets with groups of their own come first, a pass each. The last pass holds every row: led by the
// last such set where the others take rows in any order, else in blocks by position. The light part
// joins there. Where sets overlap, the first in this order evaluates the entry, not the first of
// the spec.
class HeadPlan {
 public:
  // Finds the heavy sets and prepares the light part.
  HeadPlan(const HeadProblem& head, const Method& method, std::uint64_t seed, int threads);
  // Puts the parts in order, once the light part's choices are made. Nothing else may be asked
  // before.
  void finish(const HeadProblem& head);

  std::span<const PlanPass> passes() const { return passes_; }
  const LightPart& light() const { return light_; }
  const EntrySets& sets() const { return all_sets_; }
  // Of all searches together.
  SearchRecall recall(int threads) const;
  // The light part advises against the method: run the head exactly.
  bool wants_exact() const { return light_.budget != nullptr && light_.budget->wants_exact(); }
  // No row is computed again, whatever the sign of its sum of weights.
  bool divides_any_sum() const {
    return light_.model != nullptr && light_.model->divides_any_sum();
  }

 private:
  void add_pass(std::span<const IndexList> groups, std::size_t first, std::size_t last);
  bool wants_positions() const;
  void cut_blocks(const HeadProblem& head);

  std::vector<std::unique_ptr<HeavySet>> found_;
  LightPart light_;
  std::vector<const HeavySet*> sets_;  // in order, the model's near field among them
  EntrySets all_sets_;                 // the same
  std::vector<IndexList> blocks_;
  std::vector<PlanPass> passes_;
};

}  // namespace subquad
