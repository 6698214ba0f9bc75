// Bandwidths: rules of thumb, and the one that gives a wanted mean density.
//
// source: Scott, "Multivariate density estimation", 1992, equation (6.42); Silverman, "Density
// estimation for statistics and data analysis", 1986, equation (4.14). The mean density as the
// measure of a bandwidth is the protocol of DEANN (point_tiles.h).
// use when: scott, silverman: nothing is known but the points, which are near to normal. density:
// methods are to be compared.
// cost: O(n D); density: 30 rounds of 256 queries and 32,768 points.
#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "core/checks.h"
#include "core/isa.h"
#include "core/sampling.h"
#include "core/threads.h"
#include "density/density_store.h"
#include "density/exact.h"
#include "subquad/density.h"
#include "subquad/error.h"

namespace subquad {
namespace {

constexpr std::int64_t kQueries = 256, kPoints = 32768;
constexpr double kLeast = 1e-6, kMost = 1e6;  // multiples of the points' own spread

std::vector<double> column_deviations(const std::vector<float>& rows, std::size_t dim) {
  const std::size_t count = rows.size() / dim;
  const auto n = static_cast<double>(count);
  std::vector<double> mean(dim), square(dim);
  for (std::size_t i = 0; i < rows.size(); ++i) mean[i % dim] += double{rows[i]} / n;
  for (std::size_t i = 0; i < rows.size(); ++i)
    square[i % dim] += std::pow(double{rows[i]} - mean[i % dim], 2) / (n - 1);
  // A constant column's is what rounding leaves, and counts as none.
  constexpr double kRounding = 1e-6;
  for (std::size_t c = 0; c < dim; ++c) {
    const double deviation = std::sqrt(square[c]);
    square[c] = deviation > kRounding * std::fabs(mean[c]) ? deviation : 0;
  }
  return square;
}

DensityPoints picked(const std::vector<float>& rows, std::int64_t dim,
                     const std::vector<std::int32_t>& ids) {
  DensityPoints points;
  points.dim = dim;
  for (const std::int32_t i : ids) {
    points.ids.push_back(points.next_id++);
    points.rows.insert(points.rows.end(), rows.data() + i * dim, rows.data() + (i + 1) * dim);
  }
  return points;
}

// The mean density of the first points of the sample without themselves.
class MeanDensity {
 public:
  MeanDensity(const std::vector<float>& rows, std::int64_t dim, std::vector<double> shape,
              const DensityOptions& options)
      : shape_(std::move(shape)), threads_(resolved_threads(options.threads)) {
    const auto n = static_cast<std::int64_t>(rows.size()) / dim;
    const Rng rng(options.seed, 0);
    auto ids = sample_without_replacement(n, kPoints, rng, 2, Purpose::density);
    // Queries are a random part of the sample, its first rows.
    const auto size = static_cast<std::int64_t>(ids.size());
    for (std::int64_t i = 0; i < std::min(kQueries, size); ++i)
      std::swap(ids[static_cast<std::size_t>(i)],
                ids[static_cast<std::size_t>(
                    i + rng.below(size - i, Purpose::density, 3, static_cast<std::uint32_t>(i)))]);
    points_ = picked(rows, dim, ids);
  }
  double at(double factor) const {
    std::vector<double> bandwidth = shape_;
    for (double& sigma : bandwidth) sigma *= factor;
    const DensityStore store(points_, bandwidth, {threads_});
    const std::vector<float> rows = store.scaled_rows(threads_);
    const auto n = static_cast<double>(points_.count());
    const std::int64_t m = std::min(kQueries, points_.count());
    double sum = 0;
    for (const DensityEstimate& e :
         ExactDensity(store).estimate({rows.data(), m, points_.dim}, {0, 0, 0.5}, threads_))
      sum += (e.value * n - 1) / (n - 1);
    return sum / static_cast<double>(m);
  }

 private:
  std::vector<double> shape_;
  int threads_;
  DensityPoints points_;
};

std::vector<double> checked_shape(std::span<const double> shape, std::int64_t dim) {
  check_span("shape", shape);
  if (shape.size() != 1 && shape.size() != static_cast<std::size_t>(dim))
    throw_invalid(fmt::format("shape: {} numbers, must be 1 or one for each of the {} columns",
                              shape.size(), dim));
  for (const double sigma : shape)
    if (!(sigma > 0) || !std::isfinite(sigma))
      throw_invalid(fmt::format("shape: {} must be positive and finite", sigma));
  std::vector<double> all(shape.begin(), shape.end());
  all.resize(static_cast<std::size_t>(dim), shape.front());
  return all;
}

std::vector<float> at_least_two(const TensorView& points, int threads) {
  std::vector<float> rows = finite_rows("points", points, threads);
  if (points.length() < 2)
    throw_invalid(fmt::format("points: {} of them, a bandwidth needs 2 or more", points.length()));
  return rows;
}

// In multiples of `shape`: the points' root mean square deviation.
double spread_of(const std::vector<float>& rows, const std::vector<double>& shape) {
  const std::vector<double> s = column_deviations(rows, shape.size());
  double sum = 0;
  for (std::size_t c = 0; c < s.size(); ++c) sum += std::pow(s[c] / shape[c], 2);
  if (!(sum > 0)) throw_invalid("points: all are the same: every bandwidth gives density 1");
  return std::sqrt(sum);
}

}  // namespace

std::vector<double> density_bandwidth(const TensorView& points, BandwidthRule rule) {
  check_enum("rule", rule, BandwidthRule::silverman);
  const std::vector<float> rows = at_least_two(points, 1);
  const auto n = static_cast<double>(points.length()), d = static_cast<double>(points.channels());
  const double base = rule == BandwidthRule::scott ? 1 / n : 4 / ((d + 2) * n);
  std::vector<double> sigma = column_deviations(rows, static_cast<std::size_t>(points.channels()));
  for (std::size_t c = 0; c < sigma.size(); ++c) {
    if (!(sigma[c] > 0))
      throw_invalid(
          fmt::format("points: column {} is constant: leave it out, or choose its "
                      "bandwidth by hand",
                      c));
    sigma[c] *= std::pow(base, 1 / (d + 4));
  }
  return sigma;
}

std::vector<double> bandwidth_for_density(const TensorView& points, std::span<const double> shape,
                                          double target, const DensityOptions& options) {
  ensure_isa();
  check_threads(options.threads);
  if (!(target > 0) || !(target < 1))
    throw_invalid(fmt::format("target: {} must be between 0 and 1", target));
  const std::vector<float> rows = at_least_two(points, resolved_threads(options.threads));
  std::vector<double> bandwidth = checked_shape(shape, points.channels());
  const double spread = spread_of(rows, bandwidth);
  const MeanDensity mean(rows, points.channels(), bandwidth, options);
  double low = kLeast * spread, high = kMost * spread;
  if (mean.at(low) > target)
    throw_invalid(fmt::format("target: {}: duplicates alone have a mean density of {:.3g}", target,
                              mean.at(low)));
  if (mean.at(high) < target) throw_invalid(fmt::format("target: {} is out of reach", target));
  while (high / low > 1.001) {
    const double middle = std::sqrt(low * high);
    (mean.at(middle) < target ? low : high) = middle;
  }
  for (double& sigma : bandwidth) sigma *= std::sqrt(low * high);
  return bandwidth;
}

}  // namespace subquad
