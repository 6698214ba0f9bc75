#include "core/probe_problem.h"

#include <fmt/format.h>

#include "core/isa.h"
#include "subquad/error.h"

namespace subquad {

void check_probe(const Problem& problem, int threads) {
  ensure_isa();
  validate(problem);
  if (threads < 0) throw_invalid(fmt::format("threads: {} must be 0 (default) or more", threads));
}

Problem without_values(const Problem& problem) {
  static const float zero = 0;
  Problem bare = problem;
  bare.value.data = &zero;
  bare.value.dtype = DType::f32;
  bare.value.shape[3] = 1;
  bare.value.stride = {0, 0, 0, 1};
  return bare;
}

}  // namespace subquad
