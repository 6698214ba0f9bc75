#include "run/output_checks.h"

#include "core/checks.h"

namespace subquad {

void check_row_target(const char* name, const Problem& problem, const MutableTensorView& view) {
  const Shape4& q = problem.query.shape;
  check_target(name, view, {q[0], q[1], q[2], 1});
  check_f32(name, view);
}

void check_outputs(const Problem& problem, const Outputs& outputs) {
  const Shape4& q = problem.query.shape;
  check_target("out", outputs.out, {q[0], q[1], q[2], problem.value.channels()});
  if (!outputs.lse.empty()) check_row_target("lse", problem, outputs.lse);
  if (!outputs.row_error.empty()) check_row_target("row_error", problem, outputs.row_error);
}

}  // namespace subquad
