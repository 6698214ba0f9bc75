#include "subquad/kernel_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/isa.h"
#include "core/threads.h"
#include "kernel_sums/kernel_call.h"
#include "kernel_sums/kernel_methods.h"

namespace subquad {
namespace {

void write_head(const KernelHead& head, const float* sums, const OutRows& out) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const float factor = std::ldexp(1.0f, head.value_shift);
  for (std::int64_t i = 0; i < head.num_queries; ++i)
    out.store(head.row_of[static_cast<std::size_t>(i)], sums + i * head.channels, factor);
  out.fill(head.nan_rows, kNan);
  out.fill(head.zero_rows, head.has_nan_key() ? kNan : 0);
  if (head.has_nan_key()) out.fill(head.row_of, kNan);
}

KernelRecord run_head(const KernelHead& head, const ChosenKernelMethod& method, float* out,
                      const Rng& rng, int threads) {
  if (head.has_nan_key()) return {std::string(method.name)};
  return method.run(head, out, rng, threads);
}

// NaN where one is.
double larger(double a, double b) { return std::isnan(a) || a > b ? a : b; }

void join(KernelReport& report, const KernelRecord& run) {
  // The first head's path, unless another says more.
  if (run.path.size() > report.path.size()) report.path = run.path;
  report.scored_entries += run.entries;
  report.opened_entries += run.opened_entries;
  report.estimated_error = larger(report.estimated_error, run.error);
  report.error_bound = larger(report.error_bound, run.error_bound);
}

}  // namespace

KernelReport kernel_sums(const KernelProblem& problem, std::string_view spec,
                         const KernelOutputs& outputs, const Options& options) {
  ensure_isa();
  check_kernel_problem(problem);
  check_kernel_out(problem, outputs.out);
  check_kernel_options(options);
  const ChosenKernelMethod method = read_kernel_method(spec);
  const int threads = resolved_threads(options.threads);
  MemoryMeter meter;
  const MeterScope scope(&meter);
  KernelReport report;
  report.estimated_error = report.error_bound = 0;
  const std::int64_t batch = problem.query.batch(), heads = problem.query.heads();
  check_kernel_heads(problem);
  for (std::int64_t i = 0; i < batch * heads; ++i) {
    const KernelHead head = load_kernel_head(problem, i / heads, i % heads);
    Scratch<float> sums(head.num_queries * head.channels);
    join(report, run_head(head, method, sums.data(), Rng(options.seed, i % heads), threads));
    write_head(head, sums.data(), OutRows(outputs.out, i / heads, i % heads));
    report.rows += problem.query.length();
  }
  if (report.path.empty()) report.path = method.name;
  report.peak_extra_bytes = meter.peak();
  return report;
}

}  // namespace subquad
