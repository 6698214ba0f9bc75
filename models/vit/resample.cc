#include "vit/resample.h"

#include <algorithm>
#include <cmath>

namespace subquad::vit {
namespace {

// Keys' cubic convolution kernel.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

double filter_at(Filter filter, double x) {
  if (filter == Filter::bicubic) return cubic(x, -0.5);
  return std::max(0.0, 1 - std::abs(x));
}

double support_of(Filter filter) { return filter == Filter::bicubic ? 2 : 1; }

void normalise(std::vector<double>& weights) {
  double sum = 0;
  for (const double w : weights) sum += w;
  for (double& w : weights) w /= sum;
}

}  // namespace

std::vector<Taps> antialiased_taps(std::int64_t in, std::int64_t out, Filter filter,
                                   std::int64_t begin, std::int64_t count) {
  const double step = static_cast<double>(in) / static_cast<double>(out);
  const double width = std::max(step, 1.0), reach = support_of(filter) * width;
  std::vector<Taps> all;
  for (std::int64_t i = begin; i < begin + count; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * step;
    const auto first = std::max<std::int64_t>(static_cast<std::int64_t>(centre - reach + 0.5), 0);
    const auto last = std::min(static_cast<std::int64_t>(centre + reach + 0.5), in);
    Taps taps{first, {}};
    for (std::int64_t j = first; j < last; ++j)
      taps.weights.push_back(filter_at(filter, (static_cast<double>(j) + 0.5 - centre) / width));
    normalise(taps.weights);
    all.push_back(std::move(taps));
  }
  return all;
}

std::vector<Taps> bicubic_taps(std::int64_t in, std::int64_t out) {
  const double step = static_cast<double>(in) / static_cast<double>(out);
  std::vector<Taps> all;
  for (std::int64_t i = 0; i < out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * step - 0.5;
    const auto base = static_cast<std::int64_t>(std::floor(centre));
    const std::int64_t first = std::clamp<std::int64_t>(base - 1, 0, in - 1);
    const std::int64_t last = std::clamp<std::int64_t>(base + 2, 0, in - 1);
    Taps taps{first, std::vector<double>(static_cast<std::size_t>(last - first + 1))};
    for (std::int64_t j = base - 1; j <= base + 2; ++j) {
      const std::int64_t kept = std::clamp<std::int64_t>(j, 0, in - 1);
      taps.weights[static_cast<std::size_t>(kept - first)] +=
          cubic(centre - static_cast<double>(j), -0.75);
    }
    all.push_back(std::move(taps));
  }
  return all;
}

}  // namespace subquad::vit
