#include "light/poly/poly_entries.h"

#include <cmath>

#include "core/round_up.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "rows/head_rows.h"
#include "rows/tile_sizes.h"

namespace subquad {

void evaluate_rows(const float* coefficients, std::int64_t degree, std::int64_t rows,
                   std::int64_t columns, float* data, std::int64_t stride) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* c = coefficients + r * (degree + 1);
    for (std::int64_t k = 0; k < columns; ++k) {
      float& x = data[r * stride + k];
      float sum = c[degree];
      for (std::int64_t m = degree; m-- > 0;) sum = sum * x + c[m];
      x = sum;
    }
  }
}

void keep_held(const PolyModel& model, const IndexList& rows, const MarkedEntries& entries,
               float sign, float* weights) {
  for (std::int64_t r = 0; r < rows.count; ++r) {
    const bool uses = model.rows.use(rows[r]) == RowPolynomials::Use::polynomial;
    for (std::int64_t k = 0; k < entries.keys.count; ++k) {
      const std::int64_t at = r * entries.stride + k;
      const bool held =
          uses && entries.marks[at] == 0.0f && model.held.holds(rows[r], entries.keys[k]);
      weights[at] = held ? sign * weights[at] + 0.0f : -0.0f;
    }
  }
}

PolyEntries::PolyEntries(const PolyModel& model)
    : model_(model),
      dim_(model.head.head_dim()),
      step_(model.options.degree + 1),
      channels_(most_rows() * dim_),
      coefficients_(most_rows() * step_),
      packed_(round_up(key_tile_size(dim_, model.head.value_dim()), kernels::blocking().panel) *
              dim_) {}

std::int64_t PolyEntries::most_rows() const {
  return row_block_size(model_.head.head_dim(), model_.head.value_dim());
}

bool PolyEntries::holds_none(const RowBlock& rows, const KeyRun& run) const {
  return model_.held.holds_none(rows.rows().slice(run.rows.begin, run.rows.end - run.rows.begin),
                                run.keys);
}

void PolyEntries::load_rows(const RowBlock& rows, const Range& part, float* m) {
  rows_ = rows.rows().slice(part.begin, part.end - part.begin);
  first_row_ = part.begin;
  for (std::int64_t i = 0; i < rows_.count; ++i)
    model_.load_row(rows_[i], rows.query(part.begin + i), channels_.data() + i * dim_,
                    coefficients_.data() + i * step_, m[i]);
}

void PolyEntries::load_keys(const IndexList& keys) {
  kernels::pack_transposed(select_rows(model_.head.keys(), keys), packed_.data());
}

void PolyEntries::weigh(const MarkedEntries& entries, std::int64_t first, float* weights) {
  const std::int64_t panel = kernels::blocking().panel, begin = entries.rows.begin - first_row_;
  const std::int64_t count = entries.rows.end - entries.rows.begin, degree = step_ - 1;
  if (model_.printed()) {
    for (std::int64_t r = 0; r < count; ++r)
      std::fill_n(weights + r * entries.stride, entries.keys.count,
                  std::exp2(-model_.rows.exponent(rows_[begin + r])));
  } else {
    kernels::gemm({channels_.data() + begin * dim_, dim_, 1},
                  {packed_.data() + first * dim_, panel * dim_, panel}, count, entries.keys.count,
                  dim_, weights, entries.stride, false);
    evaluate_rows(coefficients_.data() + begin * step_, degree, count, entries.keys.count, weights,
                  entries.stride);
  }
  keep_held(model_, rows_.slice(begin, count), entries, 1, weights);
}

}  // namespace subquad
