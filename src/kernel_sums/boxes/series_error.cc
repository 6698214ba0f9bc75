#include "kernel_sums/boxes/series_error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "kernels/gauss_series.h"

namespace subquad {
namespace {

// By number of variables: beyond, the terms cost more than halving the box.
constexpr std::array<std::int64_t, kernels::kSeriesDims> kMostTerms{24, 18, 13, 8, 6, 5};

// Errors of the table.
constexpr double kLevelStep = 4, kLargestError = 1;

double relative_error(double z, std::int64_t degree) {
  const auto p = static_cast<double>(degree);
  return std::exp(p * std::log(z) - std::lgamma(p + 1) + z);
}

// Largest z whose error is below `error`, rounded down.
double reach_of(std::int64_t degree, double error) {
  double low = 0, high = 16;
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    (relative_error(middle, degree) <= error ? low : high) = middle;
  }
  return low;
}

}  // namespace

SeriesError::SeriesError(std::int64_t dim, double error) {
  const bool any = dim <= kernels::kSeriesDims;
  const std::int64_t most = any ? kMostTerms[static_cast<std::size_t>(dim - 1)] : 0;
  for (double e = error; levels_.empty() || e < kLargestError; e *= kLevelStep) {
    Level& level = levels_.emplace_back(Level{e, {}});
    for (std::int64_t p = 1; p <= most; ++p) level.reach.push_back(reach_of(p, e));
  }
}

std::int64_t SeriesError::Level::degree_for(double most) const {
  const auto found = std::lower_bound(reach.begin(), reach.end(), most);
  return found == reach.end() ? 0 : found - reach.begin() + 1;
}

const SeriesError::Level& SeriesError::level_for(double allowed) const {
  const auto above = std::upper_bound(levels_.begin() + 1, levels_.end(), allowed,
                                      [](double e, const Level& level) { return e < level.error; });
  return *std::prev(above);
}

}  // namespace subquad
