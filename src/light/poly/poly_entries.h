// What a polynomial model holds for single entries: P of their scores.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "light/poly/poly_model.h"
#include "parts/implied_entries.h"

namespace subquad {

// data[r * stride + c] = the polynomial of row r at it; coefficients degree + 1 a row.
void evaluate_rows(const float* coefficients, std::int64_t degree, std::int64_t rows,
                   std::int64_t columns, float* data, std::int64_t stride);
// weights *= sign where the entry is marked and held, else -0.0f (kernels::is_masked). `rows`: of
// the head.
void keep_held(const PolyModel& model, const IndexList& rows, const MarkedEntries& entries,
               float sign, float* weights);

class PolyEntries final : public ImpliedEntries {
 public:
  explicit PolyEntries(const PolyModel& model);

  std::int64_t most_rows() const override;
  bool holds_none(const RowBlock& rows, const KeyRun& run) const override;
  void load_rows(const RowBlock& rows, const Range& part, float* m) override;
  void load_keys(const IndexList& keys) override;
  void weigh(const MarkedEntries& entries, std::int64_t first, float* weights) override;

 private:
  const PolyModel& model_;
  std::int64_t dim_, step_;
  IndexList rows_;
  std::int64_t first_row_ = 0;  // of the block
  Scratch<float> channels_, coefficients_, packed_;
};

}  // namespace subquad
