// What the probes share: their checks, and the problem without its values.
#pragma once

#include "subquad/problem.h"

namespace subquad {

// Throws Error (invalid_argument) for what no entry point takes. Call before the first kernel.
void check_probe(const Problem& problem, int threads);

// The same softmax weights over one channel of zeros: probes of D^-1 A never read V.
Problem without_values(const Problem& problem);

}  // namespace subquad
