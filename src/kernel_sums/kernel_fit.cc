#include "kernel_sums/kernel_fit.h"

#include <cmath>
#include <iterator>
#include <utility>

#include "rows/partial.h"

namespace subquad {
namespace {

// The search for a ridge goes from the first one by steps, down or up, while the error falls.
constexpr double kFirstRidge = 1e-4, kRidgeStep = 10, kLeastRidge = 5e-7, kMostRidge = 20;

template <typename Number>
double root_mean_square(const std::vector<Number>& numbers, std::int64_t rows) {
  double square = 0;
  for (const Number x : numbers) square += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(square / static_cast<double>(rows));
}

// Makes features of kernels at the probes: times the clusters' counts, of mean square row norm 1.
// Returns the factor that does the latter; 0: all are zero.
double make_features(const KernelClusters& clusters, std::int64_t probes,
                     std::vector<float>& weights) {
  const auto size = static_cast<std::size_t>(clusters.size());
  for (std::size_t i = 0; i < weights.size(); ++i)
    weights[i] *= clusters.count(static_cast<std::int64_t>(i % size));
  const double rms = root_mean_square(weights, probes);
  const double scale = rms > 0 ? 1 / rms : 0;
  for (float& feature : weights) feature = static_cast<float>(scale * static_cast<double>(feature));
  return scale;
}

}  // namespace

KernelFit::KernelFit(const KernelClusters& clusters, std::vector<float> weights,
                     const std::vector<double>& exact, std::int64_t channels, int threads)
    : clusters_(clusters),
      probes_(std::ssize(exact) / channels),
      channels_(channels),
      rms_(root_mean_square(exact, probes_)),
      feature_scale_(make_features(clusters, probes_, weights)),
      fit_(std::move(weights), probes_, threads) {}

void KernelFit::choose_ridge(double ridge, const std::vector<double>& residual) {
  const auto keeps = [&](double r) {
    return fit_.try_ridge(r, [&] { return solve(residual).error; });
  };
  keeps(ridge > 0 ? ridge : kFirstRidge);
  if (ridge > 0) return;
  bool lower = false;
  for (double r = kFirstRidge / kRidgeStep; r > kLeastRidge && keeps(r); r /= kRidgeStep)
    lower = true;
  for (double r = kFirstRidge * kRidgeStep; !lower && r < kMostRidge && keeps(r);) r *= kRidgeStep;
}

KernelCorrection KernelFit::correct(const std::vector<double>& residual) const {
  if (fit_.ok() && rms_ > 0) return solve(residual);
  const double error = root_mean_square(residual, probes_);
  return {std::vector<float>(static_cast<std::size_t>(clusters_.size() * channels_)),
          rms_ > 0 ? error / rms_ : error};
}

KernelCorrection KernelFit::solve(const std::vector<double>& residual) const {
  const double unit = rms_ > 0 ? rms_ : 1;
  std::vector<float> target;
  for (const double r : residual) target.push_back(static_cast<float>(r / unit));
  KernelCorrection result{fit_.solve(target, channels_)};
  const std::vector<float> fitted = fit_.fitted(result.values, channels_);
  const std::int64_t stride = padded_values(channels_);
  double square = 0;
  for (std::int64_t i = 0; i < probes_; ++i) {
    const double free = fit_.free(i);
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
