#include "run/output_checks.h"

#include "core/checks.h"
#include "core/given_check.h"

namespace subquad {

void check_row_target(const char* name, const Problem& problem, const MutableTensorView& view) {
  const Shape4& q = problem.query.shape;
  check_target(name, view, {q[0], q[1], q[2], 1});
  check_f32(name, view);
}

void check_outputs(const Problem& problem, const Outputs& outputs,
                   std::span<const GivenMask> given) {
  const Shape4& q = problem.query.shape;
  check_target("out", outputs.out, {q[0], q[1], q[2], problem.value.channels()});
  if (!outputs.lse.empty()) check_row_target("lse", problem, outputs.lse);
  if (!outputs.row_error.empty()) check_row_target("row_error", problem, outputs.row_error);
  std::vector<Region> written{region_of("out", outputs.out)};
  if (!outputs.lse.empty()) written.push_back(region_of("lse", outputs.lse));
  if (!outputs.row_error.empty()) written.push_back(region_of("row_error", outputs.row_error));
  check_apart(written, inputs_of(problem, given));
}

}  // namespace subquad
