#include "far/fit/probe_fit.h"

#include <algorithm>
#include <utility>

#include "far/clusters/far_field.h"
#include "rows/partial.h"

namespace subquad {

ProbeFit::ProbeFit(std::vector<float> features, std::int64_t probes, int threads)
    : features_(std::move(features)),
      probes_(probes),
      width_(static_cast<std::int64_t>(features_.size()) / probes),
      threads_(threads) {}

bool ProbeFit::try_ridge(double ridge, const std::function<double()>& error_of) {
  auto fit = std::make_unique<RidgeFit>(features_.data(), probes_, width_, ridge, threads_);
  if (!fit->ok()) return false;
  std::vector<float> leverages = fit->leverages(threads_);
  std::swap(fit, fit_);
  std::swap(leverages, leverages_);
  const double error = error_of();
  if (fit == nullptr || error < error_) {
    error_ = error;
    ridge_ = ridge;
    return true;
  }
  std::swap(fit, fit_);
  std::swap(leverages, leverages_);
  return false;
}

std::vector<float> ProbeFit::solve(const std::vector<float>& targets, std::int64_t columns) const {
  std::vector<float> coefficients(static_cast<std::size_t>(width_ * columns));
  fit_->solve(targets.data(), columns, columns, coefficients.data(), columns, threads_);
  return coefficients;
}

std::vector<float> ProbeFit::fitted(const std::vector<float>& coefficients,
                                    std::int64_t columns) const {
  const std::int64_t stride = padded_values(columns);
  std::vector<float> result(static_cast<std::size_t>(probes_ * stride));
  const FarCoefficients packed(coefficients.data(), columns, width_);
  kernels::gemm({features_.data(), width_, 1}, packed.matrix(), probes_, columns, width_,
                result.data(), stride, false);
  return result;
}

double ProbeFit::free(std::int64_t probe) const {
  constexpr double kLeast = 1e-6;
  return std::max(kLeast, 1 - double{leverages_[static_cast<std::size_t>(probe)]});
}

}  // namespace subquad
