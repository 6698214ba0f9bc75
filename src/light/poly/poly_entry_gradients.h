// Gradients of single entries of a polynomial model: those that are subtracted for heavy sets.
#pragma once

#include "core/memory.h"
#include "light/poly/poly_model.h"
#include "parts/entry_gradients.h"
#include "rows/backward_sums.h"
#include "rows/row_panels.h"

namespace subquad {

// Rows of a group, dense: channels and the sums of their gradients D floats apart, coefficients
// degree + 1, (dO, offset) / l padded_values(Dv + 1).
struct PolyRowGrads {
  IndexList rows;
  const float* channels;
  const float* coefficients;
  const float* row_grads;
  float* grad_channels;
};

// A tile of keys that meets rows, up to kBackwardRows at a time. One thread's memory.
class PolyEntryGradients final : public EntryGradients {
 public:
  PolyEntryGradients(const PolyModel& model, const WantedGradients& wanted, std::int64_t capacity);

  // All rows of a group.
  void load_rows(const PolyRowGrads& rows) { rows_ = rows; }

  RowGrads row_grads() override;
  bool holds_none(const Range& part, const IndexList& keys) const override;
  void load_keys(const IndexList& keys) override;
  void weigh(const MarkedEntries& entries, float sign, float* weights) override;
  void add_slopes(const MarkedEntries& entries, const float* weights, const float* slopes) override;
  void finish_keys(const KeySums& sums) override;

 private:
  void set_derivatives(const MarkedEntries& entries, const float* scores);

  const PolyModel& model_;
  WantedGradients wanted_;
  std::int64_t dim_, degree_, stride_;
  PolyRowGrads rows_{};
  IndexList keys_;
  Scratch<float> keys_dense_, packed_, derivatives_, grad_keys_;
  RowPanels key_panels_, query_panels_;
};

}  // namespace subquad
