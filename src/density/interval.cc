#include "density/interval.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace subquad {
namespace {

constexpr double kEnough = 16;  // weights that a variance may be estimated from

double variance_of(const WeightSample& sample, double divisor) {
  const double spread = sample.sums.squares - sample.sums.sum * sample.mean();
  return std::max(spread, 0.0) / divisor;
}

}  // namespace

double normal_quantile(double confidence) {
  double low = 0, high = 40;
  for (int i = 0; i < 80; ++i) {
    const double z = (low + high) / 2;
    (std::erfc(z / std::numbers::sqrt2) > 1 - confidence ? low : high) = z;
  }
  return low;
}

Interval::Interval(double confidence, Bars bars, std::int64_t looks)
    : bars_(bars),
      z_(normal_quantile(confidence)),
      unseen_(std::log(2 / (1 - confidence))),
      log_term_(std::log(10 * static_cast<double>(looks) / (1 - confidence))) {}

double Interval::half_width(const WeightSample& sample) const {
  if (sample.count >= sample.population) return 0;
  if (sample.count < 2) return std::numeric_limits<double>::infinity();
  return bars_ == Bars::normal ? normal(sample) : bernstein(sample);
}

double Interval::normal(const WeightSample& sample) const {
  const auto m = static_cast<double>(sample.count);
  const double left = 1 - m / static_cast<double>(sample.population);
  const bool enough =
      sample.sums.sum > 0 && sample.sums.sum * sample.sums.sum >= kEnough * sample.sums.squares;
  const double variance = enough ? variance_of(sample, m - 1) : sample.mean() * sample.cap;
  return std::max(z_ * std::sqrt(variance / m * left), unseen_ * sample.cap / m * left);
}

double Interval::bernstein(const WeightSample& sample) const {
  const auto m = static_cast<double>(sample.count), n = static_cast<double>(sample.population);
  const double share = m <= n / 2 ? 1 - (m - 1) / n : (1 - m / n) * (1 + 1 / m);
  const double kappa = 7.0 / 3 + 3 / std::numbers::sqrt2;
  return std::sqrt(2 * share * variance_of(sample, m) * log_term_ / m) +
         kappa * sample.cap * log_term_ / m;
}

}  // namespace subquad
