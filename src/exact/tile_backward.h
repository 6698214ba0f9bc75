// Exact gradients on a matrix unit: bf16 query, key and value.
#pragma once

#include <cstdint>
#include <span>

#include "rows/head_problem.h"
#include "subquad/attention.h"

namespace subquad {

// Whether there is a matrix unit for the gradients of this head. Not with additive masks: their
// sums may be anything.
bool suits_tile_backward(const HeadProblem& head);

// Adds the gradients that are asked for, of all rows of these heads, of one problem. grad_out and
// the score gradients are rounded to bf16; sums are f32. Returns the scored entries. Scratch: the
// packed rows and keys, 14 bytes a channel and position, of as many heads as fit 4 MB a thread and
// 64 MB, at least one head's, and 1 MB a thread.
std::int64_t add_tile_backward(std::span<const HeadProblem> heads,
                               const BackwardArguments& arguments, int threads);

}  // namespace subquad
