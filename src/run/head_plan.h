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
};

// Groups of rows that share no row, and the sets evaluated for each group.
struct PlanPass {
  std::span<const IndexList> groups;
  std::vector<PlanStep> steps;
};

// Sets with groups of their own come first, a pass each. The last pass holds every row: led by the
// last such set where the others take rows in any order, else in blocks by position. The light part
// joins there.
class HeadPlan {
 public:
  // Finds the heavy sets and begins the light part.
  HeadPlan(const HeadProblem& head, const Method& method, std::uint64_t seed, int threads);
  // Puts the parts in order, once the light part has settled. Nothing else may be asked before.
  void finish(const HeadProblem& head);

  std::span<const PlanPass> passes() const { return passes_; }
  const LightPart* light() const { return light_.get(); }  // nullptr: nothing is added
  LightPart* light() { return light_.get(); }
  const EntrySets& sets() const { return all_sets_; }
  // Of all searches together.
  SearchRecall recall(int threads) const;
  // The light part advises against the method: run the head exactly.
  bool wants_exact() const { return light_ != nullptr && light_->wants_exact(); }
  // No row is computed again, whatever the sign of its sum of weights.
  bool divides_any_sum() const { return light_ != nullptr && light_->divides_any_sum(); }

 private:
  void prepare_light(const HeadProblem& head, const LightRule& rule, const Rng& rng, int threads);
  void add_pass(std::span<const IndexList> groups, std::size_t first, std::size_t last);
  bool wants_positions() const;
  void cut_blocks(const HeadProblem& head);

  std::vector<std::unique_ptr<HeavySet>> sets_;
  EntrySets all_sets_;
  std::unique_ptr<LightPart> light_;
  std::vector<IndexList> blocks_;
  std::vector<PlanPass> passes_;
};

}  // namespace subquad
