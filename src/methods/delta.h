// delta(step): the outputs of all other parts, corrected by their error at every step-th row.
//
// source: Delta Attention (arXiv 2505.11254, gamma is our step): every gamma-th query row is
// computed densely, and what that changes is added to the rows that follow. Built from its abstract
// and public summaries; its authors' correction code was not read.
// Row i of a sequence, with j = i - i mod step: out_i + (exact_j - out_j). For i = j that is exact,
// and so is its lse; that of the other rows is what the other parts give. Rows that see nothing
// stay zero. Strict under a causal mask: row i uses rows and keys up to i.
// use when: a sparse method leaves out what changes slowly from row to row, a text's far context
// under sink + window; beside any heavy and light part, or a recipe (heads that a recipe runs
// exactly are left alone). do not use for: rows whose neighbours attend elsewhere; training, but
// for its gradients, which are exact and take the forward of the other parts again. Sliding windows
// are refused: row j sees keys that a later row does not. Assumes that the error of the other parts
// varies slowly (`subquad compare`); there is no bound, row_error is NaN between the exact rows.
// cost: n / step exact rows, n Dv adds.
// parameters: step rows, 1 to 2^30, default 64; 1 is exact attention.
#pragma once

#include <cstdint>

#include "parts/spec.h"

namespace subquad {

std::int64_t read_delta_step(const SpecPart& spec);

}  // namespace subquad
