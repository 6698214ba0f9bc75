// attend(): checks, then the method that the spec names.
#include "subquad/attention.h"

#include <cmath>

#include "core/checks.h"
#include "core/head_problem.h"
#include "core/isa.h"
#include "core/memory.h"
#include "core/threads.h"
#include "exact/forward.h"
#include "recipes/method.h"
#include "recipes/split_attention.h"

namespace subquad {
namespace {

void check_outputs(const Problem& problem, const Outputs& outputs) {
  const Shape4& q = problem.query.shape;
  check_shape("out", outputs.out, {q[0], q[1], q[2], problem.value.channels()});
  const auto check_row_values = [&](const char* name, const MutableTensorView& view) {
    if (view.empty()) return;
    check_shape(name, view, {q[0], q[1], q[2], 1});
    check_f32(name, view);
  };
  check_row_values("lse", outputs.lse);
  check_row_values("row_error", outputs.row_error);
}

void check_options(const Options& options) {
  if (options.threads < 0)
    throw_invalid(fmt::format("threads: {} must be 0 (default) or more", options.threads));
}

std::int64_t count_rows(std::span<const HeadProblem> heads) {
  std::int64_t rows = 0;
  for (const HeadProblem& head : heads) rows += head.num_rows();
  return rows;
}

}  // namespace

Report attend(const Problem& problem, std::string_view spec, const Outputs& outputs,
              const Options& options) {
  ensure_isa();
  validate(problem);
  check_outputs(problem, outputs);
  check_options(options);
  const Method method = parse_method(spec);
  MemoryMeter meter;
  const MeterScope scope(&meter);
  const std::vector<HeadProblem> heads = split_heads(problem);
  Report report;
  report.rows = count_rows(heads);
  if (method.exact) {
    const ExactRun run = exact_forward(heads, outputs, resolved_threads(options.threads));
    report.path = "exact:" + run.path;
    report.scored_entries = run.scored_entries;
  } else {
    const SplitCounts counts = split_attention(heads, method, outputs, options);
    report.path = method.names;
    report.fallback_rows = counts.fallback_rows;
    report.scored_entries = counts.scored_entries;
  }
  report.peak_extra_bytes = meter.peak();
  return report;
}

}  // namespace subquad
