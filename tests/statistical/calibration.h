// Whether the errors that a method states for its rows are the errors that it makes.
#pragma once

#include <cstdint>
#include <string>

#include "subquad/attention.h"
#include "support/forward.h"
#include "support/owned_problem.h"

namespace subquad::testing {

// Estimated less measured squared error, summed over the rows, and the measured one.
struct ErrorPair {
  double estimated = 0, measured = 0;
};

ErrorPair error_pair(const OwnedProblem& owned, const ReferenceAttention& exact,
                     const std::string& spec, std::uint64_t seed);

// The mean of estimated - measured is 0 up to 7 standard errors (3e-12 for a normal mean) and a
// share `band` of the measured one, for the terms of order 1 / m that the delta method leaves out.
// The standard error itself must be small enough for the check to mean something.
void check_calibrated(const OwnedProblem& owned, const std::string& spec, double band = 0.06,
                      int draws = 400);

}  // namespace subquad::testing
