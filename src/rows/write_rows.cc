#include "rows/write_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/logits.h"
#include "kernels/filter.h"
#include "kernels/pack.h"
#include "rows/rescue_row.h"
#include "subquad/error.h"

namespace subquad {
namespace {

constexpr float kMasked = -std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

void join_sink(const Partial& sums, std::int64_t r, float sink) {
  if (sink == kMasked) return;
  const Partial row = sums.slice(r, 1);
  if (row.m[0] == kMasked) {
    row.m[0] = sink;
    row.l[0] = 1.0f;
    return;
  }
  const float top = sink > row.m[0] ? sink : row.m[0];
  const float factor = std::exp2(row.m[0] - top);
  row.l[0] = row.l[0] * factor + std::exp2(sink - top);
  for (std::int64_t c = 0; c < row.value_dim; ++c) row.o[c] *= factor;
  row.m[0] = top;
}

bool is_rejected(const HeadProblem& head, std::int64_t row, float l) {
  return l <= 0.0f && !head.visible(row).empty();
}

// What a row's values are multiplied by.
float inverse_of(float l) { return l == 0.0f ? 0.0f : 1.0f / l; }

void write_row(const HeadProblem& head, std::int64_t row, const Partial& sums, std::int64_t r,
               float factor, const Outputs& outputs) {
  const float l = sums.l[r];
  kernels::store_row(sums.o + r * sums.o_stride, sums.value_dim, factor, outputs.out.dtype,
                     head.row_in(outputs.out, row));
  if (!outputs.lse.empty())
    *static_cast<float*>(head.row_in(outputs.lse, row)) =
        l == 0.0f ? kMasked : from_log2(sums.m[r] + std::log2(l));
}

[[noreturn]] void refuse_sums(float l) {
  if (std::isinf(inverse_of(l)))
    throw_invalid("query, key: sums of features underflow float32; scale the inputs up");
  throw_invalid("query, key, value: sums of features overflow float32; scale the inputs down");
}

constexpr float kLargest = std::numeric_limits<float>::max();

// What sums that are divided by one of at least `l` may be, and stay numbers; -1: 1 / l may be
// none.
float safe_sum(float l) {
  const float size = std::abs(l);
  if (size != 0 && size < std::numeric_limits<float>::min()) return -1;
  return 0.5f * kLargest * std::min(size, 1.0f);
}

// Whether all averages of the row are numbers.
bool stay_finite(const float* values, std::int64_t count, float l) {
  return kernels::within(values, count, safe_sum(l)) ||
         std::all_of(values, values + count, [factor = inverse_of(l)](float value) {
           return std::abs(value * factor) <= kLargest;
         });
}

// Whether float32 overflowed on the row's way: a sum or an average that is not finite, or scores of
// -inf alone where the row may see keys. What is Inf or NaN by the inputs is not told apart here.
bool is_lost(const HeadProblem& head, std::int64_t row, const Partial& sums, std::int64_t r) {
  if (sums.m[r] == kMasked) return !head.visible(row).empty();
  // Scores there are base 2 as they come; only masks are bent. Low ones are usual behind a mask.
  const bool low = sums.m[r] < -kLastPlainLog2;
  if (sums.m[r] > kLastPlainLog2 || (low && head.problem->mask.kind != MaskKind::additive))
    return true;
  return !std::isfinite(sums.l[r]) || !std::isfinite(sums.m[r]) ||
         !stay_finite(sums.o + r * sums.o_stride, sums.value_dim, sums.l[r]);
}

// Whether no row is lost, by bounds on all of them: mostly that will do.
bool none_lost(const Partial& sums, std::int64_t rows) {
  unsigned usual = 1;
  float least = 1;
  for (std::int64_t r = 0; r < rows; ++r) {
    usual &= std::abs(sums.m[r]) <= kLastPlainLog2 ? 1U : 0U;
    usual &= std::abs(sums.l[r]) <= kLargest ? 1U : 0U;
    least = std::min(least, std::abs(sums.l[r]));
  }
  return usual == 1 && kernels::within(sums.o, rows * sums.o_stride, safe_sum(least));
}

}  // namespace

void write_rows(const HeadProblem& head, const IndexList& rows, const Partial& sums,
                const Outputs& outputs, std::vector<std::int32_t>* rejected) {
  const bool none = none_lost(sums, rows.count);
  for (std::int64_t r = 0; r < rows.count; ++r) {
    const std::int64_t row = rows[r];
    const bool lost = !none && is_lost(head, row, sums, r);
    if (rejected != nullptr &&
        (is_rejected(head, row, sums.l[r]) || (lost && sees_only_finite(head, row)))) {
      rejected->push_back(static_cast<std::int32_t>(row));
      continue;
    }
    join_sink(sums, r, head.sink_log2(row));
    write_row(head, row, sums, r, inverse_of(sums.l[r]), outputs);
    if (lost && rejected == nullptr) rescue_row(head, row, outputs);
  }
}

std::int64_t write_signed_rows(const HeadProblem& head, const IndexList& rows, const Partial& sums,
                               const Outputs& outputs) {
  std::int64_t negative = 0;
  const bool none = none_lost(sums, rows.count);
  for (std::int64_t r = 0; r < rows.count; ++r) {
    if (!none && is_lost(head, rows[r], sums, r) && sees_only_finite(head, rows[r]))
      refuse_sums(sums.l[r]);
    join_sink(sums, r, head.sink_log2(rows[r]));
    const float l = sums.l[r];
    write_row(head, rows[r], sums, r, std::isfinite(l) ? inverse_of(l) : kNaN, outputs);
    negative += l < 0.0f ? 1 : 0;
  }
  return negative;
}

void write_row_error(const HeadProblem& head, const IndexList& rows, const Outputs& outputs,
                     float value) {
  if (outputs.row_error.empty()) return;
  for (std::int64_t r = 0; r < rows.count; ++r)
    *static_cast<float*>(head.row_in(outputs.row_error, rows[r])) = value;
}

}  // namespace subquad
