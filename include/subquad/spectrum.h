// Eigenvalues of a Gaussian kernel matrix from its products alone.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "subquad/export.h"
#include "subquad/kernel_operator.h"

namespace subquad {

// power: subspace iteration, all vectors in one product. spectra: restarted Lanczos of the library
// Spectra, a product a vector, many fewer of them where eigenvalues lie close together; where it
// breaks down, as at a numerical rank below its basis, power runs.
enum class EigenSolver : std::uint8_t { power, spectra };

struct SpectrumOptions {
  std::int64_t count = 10;  // of eigenpairs, the largest; 1 to 256, at most n (spectra: n - 1)
  EigenSolver solver = EigenSolver::power;
  // Converged: |K v - theta v| <= tolerance * the largest theta, K as the operator's spec has it.
  double tolerance = 1e-4;            // above 0, below 1
  std::int64_t max_iterations = 100;  // power: products of the block; spectra: restarts; from 1
  std::int64_t oversample =
      -1;  // power: vectors beside those wanted; -1: half of count, 4 at least
  bool exact_residuals = false;  // one exact product more, for exact_residuals and exact_values
  std::uint64_t seed = 0;        // of the first block
};

struct Spectrum {
  std::int64_t size = 0;       // n
  std::vector<double> values;  // theta, descending; fewer than count where spectra found fewer
  // n x values.size(), row-major, orthonormal; the largest entry of each is positive.
  std::vector<float> vectors;
  std::vector<double> residuals;  // |K v - theta v|, K as the operator's spec has it
  // On request, by exact: |K v - theta v|, within which K has an eigenvalue of theta, and v^T K v.
  std::vector<double> exact_residuals, exact_values;
  bool converged = false;       // all of count; false too where the spec's own error is in the way
  std::int64_t iterations = 0;  // power: products of the block; spectra: restarts
  std::int64_t products = 0;    // columns multiplied, those of the residuals included
  std::string path;             // of the last product
};

// The largest eigenpairs. power: count + oversample columns a product, 2 n p^2 flops beside it.
// Source: kernel noisy power method, Backurs et al. 2021 (paper KMV, introduction), as subspace
// iteration with Rayleigh-Ritz (Hardt and Price 2014, Algorithm 1). Throws Error.
SUBQUAD_API Spectrum top_eigenpairs(const KernelOperator& kernel,
                                    const SpectrumOptions& options = {});

struct TraceOptions {
  std::int64_t probes = 16;  // random sign vectors, 2 to 512, all in one product
  std::int64_t steps = 20;   // of Lanczos, 1 to 200, at most n
  std::uint64_t seed = 0;
};

struct TraceEstimate {
  double value = 0, standard_error = 0;  // the latter over the probes; not that of the steps
  std::int64_t products = 0;             // columns multiplied
};

// trace f(K) by stochastic Lanczos quadrature (Ubaru, Chen and Saad 2017, Algorithm 1); f is called
// at Ritz values, those below 0 taken as 0 (K is positive semidefinite). trace(K) itself is n:
// nothing to estimate. steps n probes doubles of memory. Throws Error.
SUBQUAD_API TraceEstimate trace_of_function(const KernelOperator& kernel,
                                            const std::function<double(double)>& function,
                                            const TraceOptions& options = {});

}  // namespace subquad
