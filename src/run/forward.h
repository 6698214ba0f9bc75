// Heavy + light: runs a method's parts over every head and merges what they give.
#pragma once

#include <cstdint>
#include <span>

#include "rows/head_problem.h"
#include "methods/method.h"
#include "run/each_head.h"
#include "subquad/attention.h"

namespace subquad {

// For each head: find the heavy sets, prepare the light part, then for each group of rows add every
// set (less the earlier ones) and the light part (less all sets), and write. Rows whose sum is not
// positive are computed again exactly. Deterministic for any thread count.
SplitCounts split_attention(std::span<const HeadProblem> heads, const Method& method,
                            const Outputs& outputs, const Options& options);

}  // namespace subquad
