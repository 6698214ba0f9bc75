// KMV, Algorithm 3, with the constants of Theorem 1.1.
//
// source: KMV, Lemma 3.2 (gamma = 0.109), Algorithm 1 (alpha = 1/3, 10 n^alpha ln n tables) and
// Algorithm 2 (medians of 10 ln n averages of 10 n s_i / eps^2 subsamples), with eps halved as in
// the proof. Two of its tools exist on paper alone: Andoni and Indyk's ball-carving hash family,
// for which p-stable tables stand that meet the first property of Lemma 2.1 (near keys collide with
// a probability of at least n^-alpha); and the density structure of Theorem 2.2, whose bound mu is
// so small here that sampling takes every key: densities of the squared kernel are summed exactly.
// use when: checking the theorem at small n. do not use for: speed: it is dearer than exact sums.
// cost: 10 n^alpha ln n tables; n^2 kernels; 10 ln n * 10 n s_i / eps^2 draws a row.
#pragma once

#include <cstdint>

#include "core/rng.h"
#include "kernel_sums/kernel_head.h"
#include "kernel_sums/kernel_record.h"

namespace subquad {

// Throws Error (invalid_argument) where n is above 4,096 or the draws above 1e9.
KernelRecord theorem_sums(const KernelHead& head, double eps, float* out, const Rng& rng,
                          int threads);

}  // namespace subquad
