// attend(): checks, then the method that the spec names.
#include "subquad/attention.h"

#include "core/checks.h"
#include "exact/forward.h"
#include "recipes/call.h"
#include "recipes/method.h"
#include "recipes/split_attention.h"

namespace subquad {
namespace {

void check_outputs(const Problem& problem, const Outputs& outputs) {
  const Shape4& q = problem.query.shape;
  check_target("out", outputs.out, {q[0], q[1], q[2], problem.value.channels()});
  const auto check_row_target = [&](const char* name, const MutableTensorView& view) {
    if (view.empty()) return;
    check_target(name, view, {q[0], q[1], q[2], 1});
    check_f32(name, view);
  };
  check_row_target("lse", outputs.lse);
  check_row_target("row_error", outputs.row_error);
}

}  // namespace

Report attend(const Problem& problem, std::string_view spec, const Outputs& outputs,
              const Options& options) {
  check_call(problem, options);
  check_outputs(problem, outputs);
  const Method method = parse_method(spec);
  Call call(problem, options);
  Report& report = call.report();
  if (method.exact) {
    const ExactRun run = exact_forward(call.heads(), outputs, call.threads());
    report.path = "exact:" + run.path;
    report.scored_entries = run.scored_entries;
  } else {
    const SplitCounts counts = split_attention(call.heads(), method, outputs, options);
    report.path = method.names;
    report.fallback_rows = counts.fallback_rows;
    report.scored_entries = counts.scored_entries;
  }
  return call.close();
}

}  // namespace subquad
