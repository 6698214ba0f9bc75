// Errors of an approximate output. Each query head's rel_fro is over all its rows in the batch, its
// max_over_vmax and op_rel are the largest over the batch, and the pooled ones the largest over
// heads.
//
// cost: Lq Dv^2 / 2 multiply-adds a head for the Gram matrices and, for the operator norm of the
// softmax weights, up to max_iterations forward and backward passes (gram_matrix.h); the row pass
// runs one head a thread.
#include "subquad/measure.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include "core/checks.h"
#include "core/threads.h"
#include "diagnose/gram_matrix.h"
#include "core/probe_problem.h"
#include "kernels/pack.h"

namespace subquad {
namespace {

constexpr std::array kRowLimits{0.01, 0.05, 0.20};

// NaN, once met, stays.
double larger(double a, double b) { return a > b || std::isnan(a) ? a : b; }

double ratio(double part, double whole) { return part == 0 ? 0 : part / whole; }

struct ValueNorms {
  double max_abs = 0;
  double operator_norm = 0;
};

// Sums over the rows of one head of one batch element, or over several.
struct ErrorSums {
  double error_squares = 0, exact_squares = 0;
  double max_over_vmax = 0, op_rel = 0;
  double rows = 0;
  std::array<double, kRowLimits.size()> rows_over{};

  void add(const ErrorSums& other) {
    error_squares += other.error_squares;
    exact_squares += other.exact_squares;
    max_over_vmax = larger(max_over_vmax, other.max_over_vmax);
    op_rel = larger(op_rel, other.op_rel);
    rows += other.rows;
    for (std::size_t n = 0; n < rows_over.size(); ++n) rows_over[n] += other.rows_over[n];
  }
};

// Reads rows of any storage type as doubles.
class RowReader {
 public:
  explicit RowReader(const TensorView& view)
      : view_(view), single_(static_cast<std::size_t>(view.channels())), row_(single_.size()) {}

  const std::vector<double>& read(std::int64_t b, std::int64_t h, std::int64_t i) {
    const void* data =
        static_cast<const char*>(view_.data) + view_.offset(b, h, i) * size_of(view_.dtype);
    const std::int64_t width = view_.channels();
    kernels::load_rows({data, view_.dtype, width, width, nullptr, 0, 1}, 1.0F, single_.data(),
                       width, width);
    row_.assign(single_.begin(), single_.end());
    return row_;
  }

 private:
  TensorView view_;
  std::vector<float> single_;
  std::vector<double> row_;
};

ValueNorms value_norms(const TensorView& value, std::int64_t b, std::int64_t head, bool with_norm) {
  ValueNorms norms;
  RowReader reader(value);
  GramMatrix gram(value.channels());
  for (std::int64_t j = 0; j < value.length(); ++j) {
    const std::vector<double>& row = reader.read(b, head, j);
    for (const double entry : row) norms.max_abs = larger(norms.max_abs, std::fabs(entry));
    if (with_norm) gram.add_row(row.data());
  }
  norms.operator_norm = with_norm ? gram.operator_norm() : 0;
  return norms;
}

// Turns row into row - exact_row; returns |exact_row|^2.
double subtract(std::vector<double>& row, const std::vector<double>& exact_row) {
  double squares = 0;
  for (std::size_t c = 0; c < row.size(); ++c) {
    row[c] -= exact_row[c];
    squares += exact_row[c] * exact_row[c];
  }
  return squares;
}

void add_row(const std::vector<double>& error, double exact_squares, ErrorSums& sums) {
  double squares = 0;
  for (const double entry : error) {
    squares += entry * entry;
    sums.max_over_vmax = larger(sums.max_over_vmax, std::fabs(entry));
  }
  sums.error_squares += squares;
  sums.exact_squares += exact_squares;
  sums.rows += 1;
  // Squares compare like the norms; an error that is NaN counts as over every limit.
  for (std::size_t n = 0; n < kRowLimits.size(); ++n)
    if (!(squares <= kRowLimits[n] * kRowLimits[n] * exact_squares)) sums.rows_over[n] += 1;
}

// One head of one batch element. attention_norm: |P|_op, or NaN to leave op_rel out.
ErrorSums measure_head(const Problem& problem, const TensorView& approx, const TensorView& exact,
                       std::int64_t b, std::int64_t h, double attention_norm) {
  const bool with_norm = !std::isnan(attention_norm);
  const std::int64_t kv_head = h / (problem.query.heads() / problem.key.heads());
  const ValueNorms value = value_norms(problem.value, b, kv_head, with_norm);
  ErrorSums sums;
  RowReader approx_rows(approx), exact_rows(exact);
  GramMatrix gram(approx.channels());
  for (std::int64_t i = 0; i < approx.length(); ++i) {
    std::vector<double> error = approx_rows.read(b, h, i);
    const double exact_squares = subtract(error, exact_rows.read(b, h, i));
    add_row(error, exact_squares, sums);
    if (with_norm) gram.add_row(error.data());
  }
  sums.max_over_vmax = ratio(sums.max_over_vmax, value.max_abs);
  sums.op_rel = with_norm ? ratio(gram.operator_norm(), attention_norm * value.operator_norm)
                          : std::numeric_limits<double>::quiet_NaN();
  return sums;
}

ErrorMetrics metrics_of(const ErrorSums& sums, std::int64_t head) {
  ErrorMetrics metrics;
  metrics.head = head;
  metrics.rel_fro = ratio(std::sqrt(sums.error_squares), std::sqrt(sums.exact_squares));
  metrics.max_over_vmax = sums.max_over_vmax;
  metrics.op_rel = sums.op_rel;
  metrics.rows_over_1pct = ratio(sums.rows_over[0], sums.rows);
  metrics.rows_over_5pct = ratio(sums.rows_over[1], sums.rows);
  metrics.rows_over_20pct = ratio(sums.rows_over[2], sums.rows);
  return metrics;
}

// The caller's, or computed here.
std::vector<double> norms_in_force(const Problem& problem, const MeasureOptions& options) {
  if (options.norms.empty()) return softmax_norms(problem, options);
  return {options.norms.begin(), options.norms.end()};
}

void check_arguments(const Problem& problem, const TensorView& approx, const TensorView& exact,
                     const MeasureOptions& options) {
  check_probe(problem, options.threads);
  check_power_iteration(options.max_iterations, options.tolerance);
  const Shape4 shape{problem.query.batch(), problem.query.heads(), problem.query.length(),
                     problem.value.channels()};
  check_shape("approx", approx, shape);
  check_shape("exact", exact, shape);
  check_f32("approx", approx);
  check_f32("exact", exact);
  const std::int64_t heads = problem.query.batch() * problem.query.heads();
  if (!options.norms.empty() && static_cast<std::int64_t>(options.norms.size()) != heads)
    throw_invalid(fmt::format("norms: {} entries, must be {} (batch * query heads) or none",
                              options.norms.size(), heads));
  check_span("norms", options.norms);
  for (const double norm : options.norms)
    if (!std::isfinite(norm) || norm < 0)
      throw_invalid(fmt::format("norms: {} is no operator norm (a finite number from 0)", norm));
}

}  // namespace

std::vector<ErrorMetrics> measure_errors(const Problem& problem, const TensorView& approx,
                                         const TensorView& exact, const MeasureOptions& options) {
  check_arguments(problem, approx, exact, options);
  const std::int64_t heads = approx.heads(), count = approx.batch() * heads;
  std::vector<double> norms(static_cast<std::size_t>(count),
                            std::numeric_limits<double>::quiet_NaN());
  if (options.operator_norm) norms = norms_in_force(problem, options);
  std::vector<ErrorSums> sums(norms.size());
  parallel_for(resolved_threads(options.threads), count, [&](std::int64_t n) {
    const auto at = static_cast<std::size_t>(n);
    sums[at] = measure_head(problem, approx, exact, n / heads, n % heads, norms[at]);
  });
  std::vector<ErrorMetrics> metrics;
  ErrorSums pooled;
  for (std::int64_t h = 0; h < heads; ++h) {
    ErrorSums head;
    for (std::int64_t n = h; n < count; n += heads) head.add(sums[static_cast<std::size_t>(n)]);
    pooled.add(head);
    metrics.push_back(metrics_of(head, h));
  }
  metrics.push_back(metrics_of(pooled, -1));
  return metrics;
}

}  // namespace subquad
