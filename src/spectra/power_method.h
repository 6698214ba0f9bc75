// Noisy power method: the largest eigenpairs by subspace iteration.
//
// source: the kernel noisy power method of Backurs et al. 2021 (paper KMV, introduction) for a
// block of vectors: Hardt and Price 2014, Algorithm 1 (multiply, orthonormalise), with
// Rayleigh-Ritz in each step. use when: a product with many columns costs little more than with
// one, and eigenvalues fall fast. do not use for: hundreds of close eigenvalues (krylov_method.h).
// assumption: K positive semidefinite up to the error of its products; errors of a product below
// (theta_k - theta_k+1) |v| do no harm (Hardt and Price, Theorem 1.2).
// cost: a product of count + oversample columns and 4 n p^2 flops an iteration; the residual of
// pair k falls by theta_p+1 / theta_k each.
// parameters: SpectrumOptions.
#pragma once

#include "spectra/ritz.h"

namespace subquad {

RitzPairs power_method(BlockProduct& product, std::int64_t size, const SpectrumOptions& options);

}  // namespace subquad
