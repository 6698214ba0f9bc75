// Gradients of keys and values that rows reach through sums over all of them.
#pragma once

#include "rows/head_problem.h"
#include "core/memory.h"
#include "rows/backward_sums.h"
#include "light/linear/linear_features.h"

namespace subquad {

// One thread's memory.
class LinearKeyGradients {
 public:
  LinearKeyGradients(const HeadProblem& head, const LinearModel& model,
                     const WantedGradients& wanted, std::int64_t capacity);

  // `rows_sum`: sum of phi_q(q_i) (dO_i, offset_i) / l_i over rows that all see the keys, D rows of
  // sum_stride(Dv) floats. dphi(k) = R (v, 1), dv = phi(k)^T R. 2 D (Dv + 1) multiply-adds a key.
  void add(const IndexList& keys, const float* rows_sum, const KeySums& sums);

 private:
  const HeadProblem& head_;
  LinearModel model_;
  WantedGradients wanted_;
  std::int64_t dim_, width_, feature_stride_, sum_stride_;
  Scratch<float> features_, values_, grad_features_, packed_;
};

}  // namespace subquad
