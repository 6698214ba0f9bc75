// What the probes share: their checks, and the problem without its values.
#pragma once

#include "subquad/problem.h"

namespace subquad {

// Both throw Error (invalid_argument): for what no entry point takes (call it before the first
// kernel), and for what ends no power iteration.
void check_probe(const Problem& problem, int threads);
void check_power_iteration(int max_iterations, double tolerance);

// The same softmax weights over one channel of zeros: probes of D^-1 A never read V.
Problem without_values(const Problem& problem);

}  // namespace subquad
