// Errors of a method on the query rows that exact ran on.
#pragma once

#include <vector>

#include "run_record.h"
#include "subquad/problem.h"
#include "subquad/tensor.h"

namespace subquad::cli {

// Outputs on a slice of the query rows, f32 of the slice's shape.
struct SliceOutputs {
  const Problem* problem;
  TensorView approx, exact;
};

// Fills the run's error fields, op_rel aside: norms and shares over all rows of all slices. Leaves
// them empty where an error is not a number.
void add_errors(RunRecord& run, const std::vector<SliceOutputs>& slices, int threads);

}  // namespace subquad::cli
