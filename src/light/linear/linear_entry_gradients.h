// Gradients of single entries of linear attention: those near the diagonal of a causal head, and
// those that heavy sets take out.
#pragma once

#include "rows/head_problem.h"
#include "rows/backward_sums.h"
#include "rows/score_filter.h"
#include "light/linear/linear_features.h"
#include "light/linear/linear_keys.h"

namespace subquad {

// Rows of a group, dense: phi_q(q) and the sums of dphi(q) are feature_stride(D) apart,
// (dO, offset) / l sum_stride(Dv).
struct LinearRowGrads {
  IndexList rows;
  const float* features;
  const float* row_grads;
  float* grad_features;
};

// A tile of keys that meets rows, up to kBackwardRows at a time. One thread's memory.
class LinearEntryGradients {
 public:
  LinearEntryGradients(const HeadProblem& head, const LinearModel& model,
                       const WantedGradients& wanted, std::int64_t capacity);

  const LinearKeys& keys() const { return keys_; }
  void load(const IndexList& keys);
  // The weights of the rows' visible entries that are not left out, times `sign`.
  void weigh(const LinearRowGrads& rows, const EntrySets& left_out, float sign);
  double weight_sum(std::int64_t row) const;  // after weigh()
  // What the entries that were weighed add to grad_features, to the sums of the values' gradients,
  // and to those of the keys' features, which wait here.
  void spread(const LinearRowGrads& rows, const KeySums& sums);
  // Hands over the gradients of the keys since load().
  void finish(const KeySums& sums);

 private:
  void mask_slopes(std::int64_t rows);

  const HeadProblem& head_;
  LinearModel model_;
  WantedGradients wanted_;
  std::int64_t dim_, width_, feature_stride_, sum_stride_, stride_;
  float sign_ = 1;
  LinearKeys keys_;
  Scratch<float> marks_, weights_, slopes_, grad_features_;
  RowPanels query_panels_, grad_panels_;
  FilterScratch filter_;
};

}  // namespace subquad
