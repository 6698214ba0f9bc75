// Exact gradients of attention, tiled: scores are computed again from lse, never n x n in memory.
//
// use when: training, and products with the transposed attention matrix (grad_value alone).
// cost: 2 Lq Lk (3 D + 2 Dv) flops a query head for all three gradients, 2 Lq Lk (D + Dv) for
// grad_value alone; scratch below 6 MB a thread at any length, plus a few bytes for each block of
// rows or keys. On a matrix unit (exact/tile_backward.h) the packed rows and keys of some heads
// besides.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "rows/head_problem.h"
#include "exact/backward_items.h"
#include "subquad/attention.h"

namespace subquad {

// Computes the gradients that are asked for. Returns the score entries evaluated. An Inf or NaN
// reaches only the gradients of rows and keys that see it. Bits do not depend on `threads`.
std::int64_t exact_backward(std::span<const HeadProblem> heads, const BackwardArguments& arguments,
                            int threads);

// Likewise, added to what the gradients hold.
std::int64_t add_whole_heads(std::span<const HeadProblem> heads, const BackwardArguments& arguments,
                             int threads);

// "exact", or "exact:bf16-amx" where that runs on a matrix unit for some of the heads.
std::string exact_backward_path(std::span<const HeadProblem> heads);

// For listed rows, added to what the gradients hold, in f32.
std::int64_t add_exact_backward(std::span<const HeadRows> work, const BackwardArguments& arguments,
                                int threads);

}  // namespace subquad
