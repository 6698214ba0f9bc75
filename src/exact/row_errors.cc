#include "exact/row_errors.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "kernels/pack.h"

namespace subquad {
namespace {

void raise_to(float& number, float value) {
  const std::atomic_ref<float> shared(number);
  float old = shared.load(std::memory_order_relaxed);
  while (value > old && !shared.compare_exchange_weak(old, value, std::memory_order_relaxed)) {
  }
}

// Relative, of an element.
double rounding_of(DType dtype) {
  return dtype == DType::bf16 ? 0x1p-8 : dtype == DType::f16 ? 0x1p-11 : 0.0;
}

double sum_of_squares(const std::vector<float>& row) {
  double lanes[8] = {};
  std::size_t c = 0;
  for (; c + 8 <= row.size(); c += 8)
    for (std::size_t i = 0; i < 8; ++i) lanes[i] += double{row[c + i]} * double{row[c + i]};
  for (; c < row.size(); ++c) lanes[0] += double{row[c]} * double{row[c]};
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
         ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

}  // namespace

void ErrorTotals::add(const ErrorTotals& other) {
  error_square += other.error_square;
  out_square += other.out_square;
  largest = std::max(largest, other.largest);
}

void RowErrors::raise(std::int64_t row, const RowError& error) {
  RowError& shared = errors_[static_cast<std::size_t>(row)];
  raise_to(shared.relative, error.relative);
  raise_to(shared.value, error.value);
}

ErrorTotals RowErrors::totals(const Outputs& outputs) const {
  const std::int64_t width = head_.value_dim();
  std::vector<float> out(static_cast<std::size_t>(width));
  ErrorTotals totals;
  for (std::int64_t row = 0; row < head_.num_rows(); ++row) {
    kernels::load_rows(
        {head_.row_in(outputs.out, row), outputs.out.dtype, width, width, nullptr, 0, 1}, 1.0f,
        out.data(), width, width);
    const double square = sum_of_squares(out);
    if (!std::isfinite(square)) continue;
    const double error = double{absolute(row)};
    totals.add({error * error, square, error + rounding_of(outputs.out.dtype) * std::sqrt(square)});
  }
  return totals;
}

}  // namespace subquad
