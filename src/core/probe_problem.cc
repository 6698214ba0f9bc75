#include "core/probe_problem.h"

#include <fmt/format.h>

#include "core/isa.h"
#include "core/threads.h"
#include "subquad/error.h"

namespace subquad {

void check_probe(const Problem& problem, int threads) {
  ensure_isa();
  validate(problem);
  check_threads(threads);
}

void check_power_iteration(int max_iterations, double tolerance) {
  if (max_iterations < 1)
    throw_invalid(fmt::format("max_iterations: {} is below 1", max_iterations));
  if (!(tolerance >= 0))
    throw_invalid(fmt::format("tolerance: {} is not a number from 0 up", tolerance));
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
