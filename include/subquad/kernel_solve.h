// Linear systems with a Gaussian kernel matrix: kernel ridge regression, Gaussian processes.
#pragma once

#include <cstdint>
#include <string>

#include "subquad/export.h"
#include "subquad/kernel_operator.h"
#include "subquad/spectrum.h"
#include "subquad/tensor.h"

namespace subquad {

struct SolveOptions {
  double ridge = 1;                   // lambda, above 0: added to the diagonal
  double tolerance = 1e-4;            // of |residual| / |b|, each column's; above 0, below 1
  std::int64_t max_iterations = 200;  // from 1
  bool exact_residual = false;        // one exact product more
  // Eigenpairs of the same kernel (top_eigenpairs): what they span is solved at once, which leaves
  // a condition number of (theta_last + ridge) / (theta_n + ridge). May be null.
  const Spectrum* deflation = nullptr;
};

struct SolveReport {
  std::int64_t iterations = 0;  // of the slowest column: products of a block
  // Largest column's |b - (K + ridge I) x| / |b|. recursion: as the iteration has it; residual: of
  // one more product by the operator's spec; exact_residual: by exact, NaN where not asked for.
  double recursion = 0, residual = 0, exact_residual = 0;
  bool converged = false;  // recursion <= tolerance in every column
  // Columns that stopped because the approximate product was not positive definite along a
  // direction: ask the spec for less error, or take a larger ridge.
  std::int64_t indefinite = 0;
  std::string path;  // of the last product
};

// out = (K + ridge I)^-1 rhs for rhs, out (1, 1, n, C), C from 1 to 512: flexible conjugate
// gradients (Notay 2000), which bears products that are a little off and no two alike. What the
// error of the products leaves is in `residual` and `exact_residual`: an error of e |K| in them
// costs a relative error of about e |K| / ridge. Throws Error; then nothing is written.
SUBQUAD_API SolveReport solve_kernel(const KernelOperator& kernel, const TensorView& rhs,
                                     const MutableTensorView& out,
                                     const SolveOptions& options = {});

}  // namespace subquad
