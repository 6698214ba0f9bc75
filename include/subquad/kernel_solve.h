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
  std::int64_t max_iterations = 200;  // in all; from 1
  // Judges the solution by exact products, and starts again from the exact residual while that
  // helps: one exact product for each of report.rounds.
  bool exact_residual = false;
  // Eigenpairs of the same kernel (top_eigenpairs): what they span is solved at once, which leaves
  // a condition number of (theta_last + ridge) / (theta_n + ridge). May be null.
  const Spectrum* deflation = nullptr;
};

struct SolveReport {
  std::int64_t iterations = 0;  // of the slowest column: products of a block
  std::int64_t rounds = 0;      // starts from a residual that was computed anew
  // Largest column's |b - (K + ridge I) x| / |b| of the result, computed anew by the operator's
  // spec, or by exact where that was asked for: never the recursion's.
  double residual = 0;
  double recursion = 0;    // what the last round's recursion held it for
  bool converged = false;  // residual <= tolerance
  // Columns that stopped because the product was not positive definite along a direction: ask the
  // spec for less error, or take a larger ridge.
  std::int64_t indefinite = 0;
  std::string path;  // of the last product by the spec
};

// out = (K + ridge I)^-1 rhs for rhs, out (1, 1, n, C), C from 1 to 512: flexible conjugate
// gradients (Notay 2000), which bears products that are a little off. Their recursion goes on
// falling where the residual does not; so rounds end with a residual that is computed anew, and the
// next one starts from it, until the tolerance is met or a round no longer halves it. Products that
// are off by e |K| can give what exact_residual accepts only while e |K| is below the ridge.
// Throws Error; then nothing is written.
SUBQUAD_API SolveReport solve_kernel(const KernelOperator& kernel, const TensorView& rhs,
                                     const MutableTensorView& out,
                                     const SolveOptions& options = {});

}  // namespace subquad
