// Conjugate gradients for (K + ridge I) X = B, all columns in one product.
//
// source: flexible conjugate gradients, Notay 2000, Algorithm 2.1 with one old direction (the
// Polak-Ribiere form), which bears a product or preconditioner that changes; inexact products:
// Simoncini and Szyld 2003 (the recursion's residual goes on falling, the true one stays at the
// products' error: ask for it). Deflation: spectral preconditioner of Frangella, Tropp and Udell
// 2023, equation (1.3).
// use when: kernel ridge regression, Gaussian process means. do not use for: ridges far below the
// products' error times |K|.
// assumption: K + ridge I positive definite along every direction met (counted where not).
// cost: one product of the columns that still run an iteration; about
// sqrt((theta_1 + ridge) / ridge) ln(2 / tolerance) / 2 iterations at worst.
// parameters: SolveOptions.
#pragma once

#include <cstdint>

#include "spectra/block_product.h"
#include "subquad/kernel_solve.h"

namespace subquad {

// Eigenpairs as a preconditioner of K + ridge I: the identity without any.
class SpectralPreconditioner {
 public:
  SpectralPreconditioner(const Spectrum* pairs, double ridge);
  Block times(const Block& block) const;

 private:
  Block vectors_;
  Eigen::VectorXd gains_;  // of each vector, less 1
};

struct CgResult {
  Block x;
  Eigen::VectorXd residuals;  // of each column, by the recursion
  std::int64_t iterations = 0, indefinite = 0;
};

// Until each column's residual is at most its `target`, or `most` iterations.
CgResult conjugate_gradients(BlockProduct& product, const Block& rhs,
                             const SpectralPreconditioner& preconditioner, double ridge,
                             const Eigen::VectorXd& target, std::int64_t most);

}  // namespace subquad
