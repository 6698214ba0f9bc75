#include "core/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_set>

namespace subquad {
namespace {

// lgamma() itself writes to a global.
double log_factorial(std::int64_t n) {
  int sign = 0;
  return ::lgamma_r(static_cast<double>(n) + 1, &sign);
}

// The binomial(trials, p) number at quantile u of an order from the mode outwards. 0 < p < 1.
std::int64_t binomial_at(std::int64_t trials, double p, double u) {
  const double t = static_cast<double>(trials), odds = p / (1 - p);
  const auto mode = std::min(trials, static_cast<std::int64_t>((t + 1) * p));
  const double top =
      std::exp(log_factorial(trials) - log_factorial(mode) - log_factorial(trials - mode) +
               static_cast<double>(mode) * std::log(p) +
               static_cast<double>(trials - mode) * std::log1p(-p));
  double above = top, below = top, left = u - top;
  for (std::int64_t high = mode, low = mode; left >= 0 && (above > 0 || below > 0);) {
    above *= (t - static_cast<double>(high)) / static_cast<double>(high + 1) * odds;
    if ((left -= above) < 0) return high + 1;
    below *= static_cast<double>(low) / (t - static_cast<double>(low) + 1) / odds;
    if ((left -= below) < 0) return low - 1;
    ++high;
    low = std::max<std::int64_t>(low - 1, 0);
  }
  return mode;
}

}  // namespace

std::vector<std::int64_t> multinomial_counts(std::span<const double> weights, std::int64_t m,
                                             const Rng& rng, Purpose purpose, std::uint32_t row) {
  std::vector<double> rest(weights.size() + 1, 0.0);  // sums of the weights from here on
  for (std::size_t j = weights.size(); j > 0; --j) rest[j - 1] = rest[j] + weights[j - 1];
  std::vector<std::int64_t> counts(weights.size(), 0);
  for (std::size_t j = 0; j < weights.size() && m > 0; ++j) {
    if (weights[j] <= 0) continue;
    const auto bits = rng.bits(purpose, row, static_cast<std::uint32_t>(j));
    const double p = weights[j] / rest[j];
    counts[j] =
        rest[j + 1] > 0 && p < 1 ? binomial_at(m, p, static_cast<double>(bits >> 11) * 0x1p-53) : m;
    m -= counts[j];
  }
  return counts;
}

std::vector<std::int32_t> sample_with_replacement(std::int64_t n, std::int64_t m, const Rng& rng) {
  std::vector<std::int32_t> sample(static_cast<std::size_t>(m));
  for (std::size_t i = 0; i < sample.size(); ++i)
    sample[i] =
        static_cast<std::int32_t>(rng.below(n, Purpose::sample, 0, static_cast<std::uint32_t>(i)));
  std::sort(sample.begin(), sample.end());
  return sample;
}

template <typename Position>
std::vector<Position> sample_without_replacement(std::int64_t n, std::int64_t m, const Rng& rng,
                                                 std::uint32_t stream, Purpose purpose) {
  std::vector<Position> sample;
  if (m >= n) {
    sample.resize(static_cast<std::size_t>(n));
    std::iota(sample.begin(), sample.end(), Position{0});
    return sample;
  }
  std::unordered_set<std::int64_t> chosen;
  for (std::int64_t last = n - m; last < n; ++last) {
    const auto draw = static_cast<std::uint32_t>(last - (n - m));
    const std::int64_t pick = rng.below(last + 1, purpose, stream, draw);
    chosen.insert(chosen.contains(pick) ? last : pick);
  }
  for (const std::int64_t position : chosen) sample.push_back(static_cast<Position>(position));
  std::sort(sample.begin(), sample.end());
  return sample;
}

template std::vector<std::int32_t> sample_without_replacement(std::int64_t, std::int64_t,
                                                              const Rng&, std::uint32_t, Purpose);
template std::vector<std::int64_t> sample_without_replacement(std::int64_t, std::int64_t,
                                                              const Rng&, std::uint32_t, Purpose);

std::vector<std::int32_t> stratified_sample(std::span<const std::int32_t> ids, std::int64_t count,
                                            const Rng& rng, Purpose purpose, std::uint32_t row) {
  const auto size = static_cast<std::int64_t>(ids.size());
  std::vector<std::int32_t> sample(static_cast<std::size_t>(count));
  for (std::int64_t s = 0; s < count; ++s) {
    const std::int64_t begin = size * s / count, end = size * (s + 1) / count;
    const std::int64_t pick =
        begin + rng.below(end - begin, purpose, row, static_cast<std::uint32_t>(s));
    sample[static_cast<std::size_t>(s)] = ids[static_cast<std::size_t>(pick)];
  }
  return sample;
}

}  // namespace subquad
