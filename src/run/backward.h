// Heavy + light, backward: the exact derivative of what split_attention computed, at the sample and
// the permutation that it drew.
//
// cost: 2.5 times the forward's arithmetic (D = Dv); scratch below 6 MB a thread, plus the plan and
// a byte for each row.
#pragma once

#include <span>

#include "rows/head_problem.h"
#include "methods/method.h"
#include "run/forward.h"
#include "subquad/attention.h"

namespace subquad {

// The runs of the forward's plan, entry by entry: P = exp(score + bias - lse) with the forward's
// lse, so that no sum over a row's entries is needed again. The draws themselves (sample, buckets)
// are constants of the derivative. Rows that the forward computed again exactly get their exact
// gradients. options.seed must be the forward's. Bits do not depend on the thread count.
SplitCounts split_backward(std::span<const HeadProblem> heads, const Method& method,
                           const BackwardArguments& arguments, const Options& options);

}  // namespace subquad
