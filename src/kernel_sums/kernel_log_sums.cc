#include <limits>
#include <vector>

#include <fmt/format.h>

#include "core/isa.h"
#include "core/threads.h"
#include "kernel_sums/kernel_call.h"
#include "kernel_sums/log_sums.h"
#include "kernels/pack.h"
#include "subquad/error.h"

namespace subquad {
namespace {

void check_row(const TensorView& value, std::int64_t b, std::int64_t h, std::int64_t k,
               std::vector<float>& row) {
  const char* place =
      static_cast<const char*>(value.data) + value.offset(b, h, k) * size_of(value.dtype);
  kernels::load_rows({place, value.dtype, 0, value.channels(), nullptr, 0, 1}, 1.0f, row.data(),
                     value.channels(), value.channels());
  for (std::size_t c = 0; c < row.size(); ++c)
    if (row[c] < 0)
      throw_invalid(
          fmt::format("value: entry ({}, {}, {}, {}) is {}; log sums need values of 0 or "
                      "more",
                      b, h, k, c, row[c]));
}

void check_values(const TensorView& value) {
  std::vector<float> row(static_cast<std::size_t>(value.channels()));
  for (std::int64_t b = 0; b < value.batch(); ++b)
    for (std::int64_t h = 0; h < value.heads(); ++h)
      for (std::int64_t k = 0; k < value.length(); ++k) check_row(value, b, h, k, row);
}

void write_logs(const KernelHead& head, const float* logs, const OutRows& out) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (std::int64_t i = 0; i < head.num_queries; ++i)
    out.store(head.row_of[static_cast<std::size_t>(i)], logs + i * head.channels);
  out.fill(head.nan_rows, kNan);
  out.fill(head.zero_rows, head.has_nan_key() ? kNan : -std::numeric_limits<float>::infinity());
  if (head.has_nan_key()) out.fill(head.row_of, kNan);
}

}  // namespace

KernelReport kernel_log_sums(const KernelProblem& problem, const KernelOutputs& outputs,
                             const Options& options) {
  ensure_isa();
  check_kernel_problem(problem);
  check_kernel_out(problem, outputs.out);
  check_kernel_options(options);
  check_values(problem.value);
  check_kernel_heads(problem);
  const int threads = resolved_threads(options.threads);
  MemoryMeter meter;
  const MeterScope scope(&meter);
  KernelReport report;
  report.path = "exact";
  report.estimated_error = report.error_bound = 0;
  const std::int64_t heads = problem.query.heads();
  for (std::int64_t i = 0; i < problem.query.batch() * heads; ++i) {
    const KernelHead head = load_kernel_head(problem, i / heads, i % heads);
    Scratch<float> logs(head.num_queries * head.channels);
    if (!head.has_nan_key())
      report.scored_entries += log_sums(head, logs.data(), Rng(options.seed, i % heads), threads);
    write_logs(head, logs.data(), OutRows(outputs.out, i / heads, i % heads));
    report.rows += problem.query.length();
  }
  report.opened_entries = report.scored_entries;
  report.peak_extra_bytes = meter.peak();
  return report;
}

}  // namespace subquad
