// Methods whose outputs are corrected at every step-th row (methods/delta.h): around the executor
// of all other parts, forward and backward.
#pragma once

#include <span>

#include "methods/method.h"
#include "rows/head_problem.h"
#include "run/each_head.h"
#include "subquad/attention.h"

namespace subquad {

// As split_attention(). Memory besides: the outputs in f32 where they are of another type.
SplitCounts delta_attention(std::span<const HeadProblem> heads, const Method& method,
                            const Outputs& outputs, const Options& options);

// As split_backward(). The forward of the other parts runs again. Memory besides: their outputs and
// the output gradients in f32.
SplitCounts delta_backward(std::span<const HeadProblem> heads, const Method& method,
                           const BackwardArguments& arguments, const Options& options);

}  // namespace subquad
