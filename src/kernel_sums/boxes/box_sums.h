// boxes(error, floor): kernel sums in few dimensions or of small bandwidths, within a bound.
//
// source: dual-tree kernel sums (Gray and Moore 2000) with the series of the improved fast Gauss
// transform (Yang, Duraiswami, Gumerov and Davis 2003); box_walk.h and series_error.h have the
// bounds, which are ours to add up. Both point sets go into trees of boxes; each box of 64 queries
// skips what is too far to matter, sums full and small boxes by their moments (up to 6 dimensions),
// and meets all other keys one by one.
// guarantee: for every query and channel |y - exact| <= error (sum_k w_k |x_k| + floor sum_k |x_k|)
// plus the rounding of f32 that exact has too (about 1e-6 of sum_k w_k |x_k|; kernels below 2^-126
// are zero).
// use when: 1 to 3 dimensions; more, where a query has few neighbours within some bandwidths.
// do not use for: tens of dimensions at bandwidths that reach most points (a few boxes of queries
// are tried first, and exact runs where these say so); values with Inf or NaN (runs exactly).
// assumption: none.
// cost: (m + n) log(m + n) for the trees; a query then meets the keys, or the full boxes, within
// sqrt(2 ln(2 / (error density))) bandwidths. Memory: m + n points in doubles, values, and at most
// 4 doubles of moments for each key in each level of the tree that has any.
// parameters: error 1e-6 to 0.5, default 1e-4; floor 0 to 1, default 1e-12.
#pragma once

#include "core/rng.h"
#include "kernel_sums/boxes/box_options.h"
#include "kernel_sums/kernel_head.h"
#include "kernel_sums/kernel_record.h"

namespace subquad {

KernelRecord box_sums(const KernelHead& head, const BoxOptions& options, float* out, const Rng& rng,
                      int threads);

}  // namespace subquad
