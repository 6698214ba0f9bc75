// Kernel sums without approximation: every query meets every key.
//
// source: DESIGN.md section 2 (attention's partial sums, stopped before the division). No kernel is
// above 1: the reference exponent is the query's own, and scores become weights and sums in one
// step (kernels/gauss.h). Up to kDirectDims dimensions differences of coordinates replace scores
// (boxes/direct_sums.h). Values with Inf or NaN go attention's way, which keeps them apart
// (kernel_run.h).
// use when: the yardstick; few queries or keys; many dimensions and bandwidths that leave a query
// few neighbours.
// do not use for: lone queries by the thousand (query_blocks.h), in more than kDirectDims
// dimensions.
// cost: 2 m n (D + C) flops; m D floats and a few MB a thread.
#pragma once

#include <cstdint>

#include "core/rng.h"
#include "kernel_sums/kernel_head.h"

namespace subquad {

// Writes the sums of query i of the head to out + i * channels. Returns the kernels evaluated.
std::int64_t exact_sums(const KernelHead& head, float* out, const Rng& rng, int threads);

}  // namespace subquad
