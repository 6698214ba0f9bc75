// Exact kernel sums by scores: blocks of near queries, each around a center of its own, meet packed
// tiles of keys. 2 m n (D + C) flops.
#pragma once

#include "core/rng.h"
#include "kernel_sums/kernel_head.h"

namespace subquad {

// Writes all sums of the head: finite values, at least one query and one key.
void score_sums(const KernelHead& head, float* out, const Rng& rng, int threads);

}  // namespace subquad
