#include "subquad/kernel_solve.h"

#include <algorithm>
#include <cmath>

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

// Rounds of conjugate gradients, each from a residual that `judge` computed.
class Refinement {
 public:
  Refinement(BlockProduct& product, BlockProduct& judge, const Block& rhs,
             const SolveOptions& options)
      : product_(product),
        judge_(judge),
        rhs_(rhs),
        options_(options),
        preconditioner_(options.deflation, options.ridge),
        sizes_(rhs.colwise().norm()),
        residual_(rhs),
        x_(Block::Zero(rhs.rows(), rhs.cols())) {}

  SolveReport run() {
    SolveReport report;
    report.residual = largest(residual_.colwise().norm());
    while (report.residual > options_.tolerance && report.iterations < options_.max_iterations) {
      const double before = report.residual;
      take_round(report);
      if (!(report.residual < before / 2)) break;
    }
    report.converged = report.residual <= options_.tolerance;
    return report;
  }
  const Block& x() const { return x_; }

 private:
  // Of the columns' norms, each relative to its right-hand side's.
  double largest(const Eigen::VectorXd& norms) const {
    double most = 0;
    for (Eigen::Index c = 0; c < norms.size(); ++c)
      if (sizes_[c] > 0) most = std::max(most, norms[c] / sizes_[c]);
    return most;
  }

  // Keeps what makes a column better.
  void take_round(SolveReport& report) {
    const CgResult round = conjugate_gradients(product_, residual_, preconditioner_, options_.ridge,
                                               options_.tolerance * sizes_,
                                               options_.max_iterations - report.iterations);
    ++report.rounds;
    report.iterations += round.iterations;
    report.indefinite = round.indefinite;
    report.recursion = largest(round.residuals);
    // As it is stored.
    const Block x = (x_ + round.x).cast<float>().cast<double>();
    const Block left = rhs_ - judge_.times(x) - options_.ridge * x;
    for (Eigen::Index c = 0; c < left.cols(); ++c)
      if (left.col(c).norm() < residual_.col(c).norm()) {
        residual_.col(c) = left.col(c);
        x_.col(c) = x.col(c);
      }
    report.residual = largest(residual_.colwise().norm());
  }

  BlockProduct &product_, &judge_;
  const Block& rhs_;
  const SolveOptions& options_;
  SpectralPreconditioner preconditioner_;
  Eigen::VectorXd sizes_;
  Block residual_, x_;
};

}  // namespace

SolveReport solve_kernel(const KernelOperator& kernel, const TensorView& rhs,
                         const MutableTensorView& out, const SolveOptions& options) {
  check_solve(kernel, rhs, out, options);
  const Block b = load_rhs(rhs);
  BlockProduct product(kernel), exact(kernel, true);
  Refinement refinement(product, options.exact_residual ? exact : product, b, options);
  SolveReport report = refinement.run();
  report.path = product.path();
  store_solution(refinement.x(), out);
  return report;
}

}  // namespace subquad
