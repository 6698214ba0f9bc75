// The derivative of the treecode part: of its pseudo keys and of the keys of the leaves that each
// row opens. The near keys are runs, which the executor differentiates.
//
// source: ours (docs/theory/causal_far_field.md). The choices are constants of the derivative: the
// leaves, the limits, and what each row opens, which is found again as the forward found it, from
// the sums that a repeated forward left. A leaf's means are not: their gradients are spread evenly
// over its keys.
// use when: gradients of a head that treecode has served.
// cost: 5/2 of the forward's arithmetic over the leaves, and its choices once more. Memory: n (D +
// Dv) floats, as many for each thread at most (the opened leaves), and 3 leaves (D + Dv).
#pragma once

#include <memory>
#include <vector>

#include "far/leaves/leaf_gradients.h"
#include "far/leaves/treecode_part.h"
#include "parts/model_backward.h"
#include "subquad/attention.h"

namespace subquad {

class TreecodeBackward final : public ModelBackward {
 public:
  // What the model and the arguments point to must outlive this. Used once all rows have been
  // through model.add_estimate().
  TreecodeBackward(const Treecode& model, const BackwardArguments& arguments, int threads);

  std::unique_ptr<ModelBackward::Worker> make_worker() override;
  void finish(int threads) override;

 private:
  class GroupWorker;

  const Treecode& model_;
  BackwardArguments arguments_;
  LeafTransposes transposes_;
  std::vector<double> by_mean_keys_;    // leaves x D, lacks a factor ln 2; empty: not wanted
  std::vector<double> by_mean_values_;  // leaves x Dv
};

}  // namespace subquad
