// Random attention problems: every option, shape and layout of Problem.
#pragma once

#include <cstdint>

#include "subquad/problem.h"
#include "support/draw.h"
#include "support/owned_problem.h"
#include "support/tensor_buffer.h"

namespace subquad::testing {

// What a test may ask for; everything else is drawn.
struct ProblemLimits {
  std::int64_t max_length = 300;
  std::int64_t max_head_dim = 512;
  std::int64_t max_work = 20'000'000;  // B * Hq * Lq * Lk * (D + Dv)
};

// Storage in any order of the dimensions, padded rows, reversed now and then.
Layout random_layout(Draw& draw);

// Puts the value at one to three places, if there are any.
void poison(Draw& draw, TensorBuffer& tensor, double value);

OwnedProblem random_problem(std::uint64_t seed, DType type, const ProblemLimits& limits = {});

}  // namespace subquad::testing
