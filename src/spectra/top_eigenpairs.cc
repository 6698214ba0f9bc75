#include <cmath>
#include <exception>
#include <string>

#include <fmt/format.h>

#include "spectra/krylov_method.h"
#include "spectra/power_method.h"
#include "subquad/error.h"

namespace subquad {
namespace {

constexpr std::int64_t kMostPairs = 256;

void check_options(const SpectrumOptions& options, std::int64_t size) {
  const bool lanczos = options.solver == EigenSolver::spectra;
  const std::int64_t most = std::min(kMostPairs, lanczos ? size - 1 : size);
  if (options.solver > EigenSolver::spectra) throw_invalid("solver: unknown value");
  if (options.count < 1 || options.count > most)
    throw_invalid(fmt::format("count: {} of {} eigenpairs, must be 1 to {}{}", options.count, size,
                              most, lanczos ? " (spectra)" : ""));
  if (!(options.tolerance > 0) || !(options.tolerance < 1))
    throw_invalid(fmt::format("tolerance: {} must be above 0 and below 1", options.tolerance));
  if (options.max_iterations < 1)
    throw_invalid(fmt::format("max_iterations: {} must be 1 at least", options.max_iterations));
  if (options.oversample < -1 || options.oversample > kMostPairs)
    throw_invalid(fmt::format("oversample: {} must be -1 to {}", options.oversample, kMostPairs));
}

// The sign of an eigenvector is nobody's choice: the largest entry is positive.
void fix_signs(Block& vectors) {
  for (Eigen::Index c = 0; c < vectors.cols(); ++c) {
    Eigen::Index row = 0;
    vectors.col(c).cwiseAbs().maxCoeff(&row);
    if (vectors(row, c) < 0) vectors.col(c) *= -1;
  }
}

std::vector<double> to_vector(const Eigen::VectorXd& numbers) {
  return {numbers.data(), numbers.data() + numbers.size()};
}

std::vector<float> by_rows(const Block& vectors) {
  std::vector<float> rows;
  rows.reserve(static_cast<std::size_t>(vectors.size()));
  for (Eigen::Index r = 0; r < vectors.rows(); ++r)
    for (Eigen::Index c = 0; c < vectors.cols(); ++c)
      rows.push_back(static_cast<float>(vectors(r, c)));
  return rows;
}

void add_exact(const KernelOperator& kernel, const RitzPairs& pairs, Spectrum& spectrum) {
  BlockProduct exact(kernel, true);
  const Block image = exact.times(pairs.vectors);
  spectrum.exact_residuals = to_vector(residual_norms(image, pairs));
  spectrum.exact_values = to_vector((pairs.vectors.cwiseProduct(image)).colwise().sum());
  spectrum.products += exact.columns();
}

// Whether the pairs may be eigenpairs of a positive semidefinite matrix of trace `size`: where
// Lanczos meets an invariant space (a numerical rank below its basis) it may go on with noise.
bool is_sound(std::int64_t size, const RitzPairs& pairs) {
  if (pairs.values.size() == 0) return true;  // says itself that it has not converged
  if (!pairs.values.allFinite() || !pairs.vectors.allFinite()) return false;
  const Block angles = pairs.vectors.transpose() * pairs.vectors;
  const double skew =
      (angles - Block::Identity(angles.rows(), angles.cols())).cwiseAbs().maxCoeff();
  return skew < 1e-3 && pairs.values.sum() <= 1.01 * static_cast<double>(size);
}

// By Spectra; by the power method where that breaks down.
RitzPairs checked_krylov_method(BlockProduct& product, std::int64_t size,
                                const SpectrumOptions& options) {
  try {
    RitzPairs pairs = krylov_method(product, size, options);
    if (is_sound(size, pairs)) return pairs;
  } catch (const std::exception&) {  // of a product with what is not finite, or of a decomposition
  }
  return power_method(product, size, options);
}

}  // namespace

Spectrum top_eigenpairs(const KernelOperator& kernel, const SpectrumOptions& options) {
  check_options(options, kernel.size());
  BlockProduct product(kernel);
  RitzPairs pairs = options.solver == EigenSolver::power
                        ? power_method(product, kernel.size(), options)
                        : checked_krylov_method(product, kernel.size(), options);
  Spectrum spectrum;
  spectrum.size = kernel.size();
  spectrum.iterations = pairs.iterations;
  spectrum.converged = pairs.converged;
  if (pairs.values.size() > 0) {
    fix_signs(pairs.vectors);
    spectrum.residuals = to_vector(residual_norms(product.times(pairs.vectors), pairs));
    if (options.exact_residuals) add_exact(kernel, pairs, spectrum);
  }
  spectrum.values = to_vector(pairs.values);
  spectrum.vectors = by_rows(pairs.vectors);
  spectrum.products += product.columns();
  spectrum.path = product.path();
  return spectrum;
}

}  // namespace subquad
