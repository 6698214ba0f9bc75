#include "kernel_sums/kernel_fit.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/gemm.h"
#include "kernels/pack.h"

namespace subquad {
namespace {

// The search for a ridge goes from the first one by steps, down or up, while the error falls.
constexpr double kFirstRidge = 1e-4, kRidgeStep = 10, kLeastRidge = 5e-7, kMostRidge = 20;
constexpr double kLeastFree = 1e-6;  // of 1 - leverage

template <typename Number>
double root_mean_square(const std::vector<Number>& numbers, std::int64_t rows) {
  double square = 0;
  for (const Number x : numbers) square += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(square / static_cast<double>(rows));
}

// features (p x r) times coefficients (r x c); rows of the result are `stride` apart.
std::vector<float> product(const std::vector<float>& features, std::int64_t p,
                           const std::vector<float>& coefficients, std::int64_t c,
                           std::int64_t stride) {
  const std::int64_t r = static_cast<std::int64_t>(features.size()) / p;
  const std::int64_t panel = kernels::blocking().panel;
  Scratch<float> packed((c + panel - 1) / panel * panel * r);
  kernels::pack_rows({coefficients.data(), DType::f32, c, c, nullptr, 0, r}, packed.data(),
                     panel * r);
  std::vector<float> result(static_cast<std::size_t>(p * stride));
  kernels::gemm({features.data(), r, 1}, {packed.data(), panel * r, panel}, p, c, r, result.data(),
                stride, false);
  return result;
}

}  // namespace

KernelFit::KernelFit(const KernelClusters& clusters, const std::vector<float>& weights,
                     const std::vector<double>& exact, std::int64_t channels, int threads)
    : clusters_(clusters),
      probes_(static_cast<std::int64_t>(exact.size()) / channels),
      channels_(channels),
      threads_(threads),
      rms_(root_mean_square(exact, probes_)),
      features_(weights) {
  const auto size = static_cast<std::size_t>(clusters.size());
  for (std::size_t i = 0; i < features_.size(); ++i)
    features_[i] *=
        static_cast<float>(clusters.keys.members(static_cast<std::int64_t>(i % size)).count);
  const double rms = root_mean_square(features_, probes_);
  feature_scale_ = rms > 0 ? 1 / rms : 0;
  for (float& feature : features_)
    feature = static_cast<float>(feature_scale_ * static_cast<double>(feature));
}

bool KernelFit::try_ridge(double ridge, const std::vector<double>& residual) {
  auto fit =
      std::make_unique<RidgeFit>(features_.data(), probes_, clusters_.size(), ridge, threads_);
  if (!fit->ok()) return false;
  std::vector<float> leverages = fit->leverages(threads_);
  const double error = solve(*fit, leverages, residual).error;
  if (fit_ != nullptr && !(error < least_error_)) return false;
  least_error_ = error;
  fit_ = std::move(fit);
  leverages_ = std::move(leverages);
  return true;
}

void KernelFit::choose_ridge(double ridge, const std::vector<double>& residual) {
  try_ridge(ridge > 0 ? ridge : kFirstRidge, residual);
  if (ridge > 0) return;
  bool lower = false;
  for (double r = kFirstRidge / kRidgeStep; r > kLeastRidge && try_ridge(r, residual);
       r /= kRidgeStep)
    lower = true;
  for (double r = kFirstRidge * kRidgeStep; !lower && r < kMostRidge && try_ridge(r, residual);)
    r *= kRidgeStep;
}

KernelCorrection KernelFit::correct(const std::vector<double>& residual) const {
  if (fit_ != nullptr && rms_ > 0) return solve(*fit_, leverages_, residual);
  const double error = root_mean_square(residual, probes_);
  return {std::vector<float>(static_cast<std::size_t>(clusters_.size() * channels_)),
          rms_ > 0 ? error / rms_ : error};
}

KernelCorrection KernelFit::solve(const RidgeFit& fit, const std::vector<float>& leverages,
                                  const std::vector<double>& residual) const {
  const double unit = rms_ > 0 ? rms_ : 1;
  std::vector<float> target;
  for (const double r : residual) target.push_back(static_cast<float>(r / unit));
  KernelCorrection result;
  result.values.resize(static_cast<std::size_t>(clusters_.size() * channels_));
  fit.solve(target.data(), channels_, channels_, result.values.data(), channels_, threads_);
  const std::int64_t stride = padded_values(channels_);
  const std::vector<float> fitted = product(features_, probes_, result.values, channels_, stride);
  double square = 0;
  for (std::int64_t i = 0; i < probes_; ++i) {
    const double free = std::max(kLeastFree, 1 - double{leverages[static_cast<std::size_t>(i)]});
    for (std::int64_t c = 0; c < channels_; ++c) {
      const double left = double{target[static_cast<std::size_t>(i * channels_ + c)]} -
                          double{fitted[static_cast<std::size_t>(i * stride + c)]};
      square += left * left / (free * free);
    }
  }
  result.error = std::sqrt(square / static_cast<double>(probes_));
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    const auto cluster = static_cast<std::int64_t>(i) / channels_;
    const auto count = static_cast<double>(clusters_.keys.members(cluster).count);
    result.values[i] = static_cast<float>(double{result.values[i]} * unit * feature_scale_ * count);
  }
  return result;
}

}  // namespace subquad
