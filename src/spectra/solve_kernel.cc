#include "subquad/kernel_solve.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "core/checks.h"
#include "kernels/pack.h"
#include "spectra/conjugate_gradients.h"

namespace subquad {
namespace {

using SolveRows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

void check_deflation(const Spectrum* pairs, std::int64_t size) {
  if (pairs == nullptr) return;
  const auto expected = static_cast<std::size_t>(size) * pairs->values.size();
  if (pairs->size != size || pairs->vectors.size() != expected)
    throw_invalid(
        fmt::format("deflation: eigenvectors of {} points, the kernel has {}", pairs->size, size));
  const auto is_finite = [](double x) { return std::isfinite(x); };
  if (!std::all_of(pairs->values.begin(), pairs->values.end(), is_finite) ||
      !std::all_of(pairs->vectors.begin(), pairs->vectors.end(), is_finite))
    throw_invalid("deflation: eigenpairs are not finite");
}

void check_solve(const KernelOperator& kernel, const TensorView& rhs, const MutableTensorView& out,
                 const SolveOptions& options) {
  check_extents("rhs", rhs, "points", "last extent");
  check_shape("rhs", rhs, {1, 1, kernel.size(), rhs.channels()});
  check_target("out", out, rhs.shape);
  check_apart(std::vector<Region>{region_of("out", out)},
              std::vector<Region>{region_of("rhs", rhs)});
  if (!(options.ridge > 0) || !std::isfinite(options.ridge))
    throw_invalid(fmt::format("ridge: {} must be positive and finite", options.ridge));
  if (!(options.tolerance > 0) || !(options.tolerance < 1))
    throw_invalid(fmt::format("tolerance: {} must be above 0 and below 1", options.tolerance));
  if (options.max_iterations < 1)
    throw_invalid(fmt::format("max_iterations: {} must be 1 at least", options.max_iterations));
  check_deflation(options.deflation, kernel.size());
}

Block load_rhs(const TensorView& rhs) {
  SolveRows rows(rhs.length(), rhs.channels());
  kernels::load_rows({rhs.data, rhs.dtype, rhs.stride[2], rhs.channels(), nullptr, 0, rhs.length()},
                     1.0f, rows.data(), rhs.channels(), rhs.channels());
  if (!rows.allFinite()) throw_invalid("rhs: holds Inf or NaN");
  return rows.cast<double>();
}

void store_solution(const Block& x, const MutableTensorView& out) {
  const SolveRows rows = x.cast<float>();
  for (std::int64_t i = 0; i < out.length(); ++i)
    kernels::store_row(rows.data() + i * out.channels(), out.channels(), 1.0f, out.dtype,
                       static_cast<char*>(out.data) + out.offset(0, 0, i) * size_of(out.dtype));
}

// Largest column's |b - (K + ridge I) x| / |b|.
double true_residual(BlockProduct& product, const Block& rhs, const Block& x, double ridge) {
  const Block left = rhs - product.times(x) - ridge * x;
  double largest = 0;
  for (Eigen::Index c = 0; c < rhs.cols(); ++c)
    if (rhs.col(c).squaredNorm() > 0)
      largest = std::max(largest, left.col(c).norm() / rhs.col(c).norm());
  return largest;
}

}  // namespace

SolveReport solve_kernel(const KernelOperator& kernel, const TensorView& rhs,
                         const MutableTensorView& out, const SolveOptions& options) {
  check_solve(kernel, rhs, out, options);
  const Block b = load_rhs(rhs);
  BlockProduct product(kernel), exact(kernel, true);
  const CgResult result = conjugate_gradients(
      product, b, SpectralPreconditioner(options.deflation, options.ridge), options);
  SolveReport report;
  report.iterations = result.iterations;
  report.indefinite = result.indefinite;
  report.recursion = *std::max_element(result.residuals.begin(), result.residuals.end());
  report.converged = report.recursion <= options.tolerance;
  report.residual = true_residual(product, b, result.x, options.ridge);
  report.exact_residual = options.exact_residual ? true_residual(exact, b, result.x, options.ridge)
                                                 : std::numeric_limits<double>::quiet_NaN();
  report.path = product.path();
  store_solution(result.x, out);
  return report;
}

}  // namespace subquad
