// The practical form of KMV, Algorithm 3.
//
// source: KMV, Algorithms 1 to 3, with the sizes that a sample of queries asks for instead of the
// proof's. Blocks of near queries meet together: the keys of H1 (Lemma 3.2), every key that some
// table brings to one of them, exactly; the other keys by m draws with chances p_j. The second
// moment of a draw, V = sum_j x_j^2 K_ij^2 / p_j over the light keys (a density of the squared
// kernel, as in Algorithm 2), is estimated for each block by draws of its own, and m = V / a, where
// a is the row's part of delta eps^2 |X|^2: by Markov's inequality the squared error is above eps^2
// |X|^2 with a probability of at most delta. A row's error is unbiased given its tables.
// cost: 96 queries met by all keys; tables (lsh_plan.h); tiles of a block's candidates and draws.
#pragma once

#include <cstdint>

#include "core/rng.h"
#include "kernel_sums/kernel_head.h"
#include "kernel_sums/kernel_record.h"
#include "kernel_sums/kmv/kmv_sums.h"

namespace subquad {

// Finite values, at least one key, one query and one x_j that is not 0.
KernelRecord practical_sums(const KernelHead& head, const KmvOptions& options, float* out,
                            const Rng& rng, int threads);

}  // namespace subquad
