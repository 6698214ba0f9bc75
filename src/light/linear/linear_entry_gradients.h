// Gradients of single entries of linear attention: those near the diagonal of a causal head, and
// those that are subtracted for heavy sets.
#pragma once

#include "rows/head_problem.h"
#include "rows/backward_sums.h"
#include "light/linear/linear_features.h"
#include "light/linear/linear_keys.h"
#include "parts/entry_gradients.h"

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
class LinearEntryGradients final : public EntryGradients {
 public:
  LinearEntryGradients(const HeadProblem& head, const LinearModel& model,
                       const WantedGradients& wanted, std::int64_t capacity);

  const LinearKeys& keys() const { return keys_; }
  // All rows of a group.
  void load_rows(const LinearRowGrads& rows) { rows_ = rows; }

  RowGrads row_grads() override { return {rows_.row_grads, sum_stride_}; }
  void load_keys(const IndexList& keys) override;
  void weigh(const MarkedEntries& entries, float sign, float* weights) override;
  void add_slopes(const MarkedEntries& entries, const float* weights, const float* slopes) override;
  void finish_keys(const KeySums& sums) override;

 private:
  const HeadProblem& head_;
  LinearModel model_;
  WantedGradients wanted_;
  std::int64_t dim_, feature_stride_, sum_stride_;
  LinearRowGrads rows_{};
  LinearKeys keys_;
  Scratch<float> grad_features_;
  RowPanels query_panels_;
};

}  // namespace subquad
