// Sums of Gaussian kernels from the moments of a box of keys.
//
// source: Yang, Duraiswami, Gumerov and Davis 2003 (improved fast Gauss transform), the expansion
// about the sources' center alone: with u = q - center and b = k - center, in bandwidths,
// exp(-|q - k|^2 / 2) = exp(-|u|^2 / 2) exp(-|b|^2 / 2) sum_a u^a b^a / a!, by total degree.
#pragma once

#include <cstdint>

namespace subquad::kernels {

inline constexpr std::int64_t kSeriesDims = 6;

// Multi-indices of `dim` variables below a total degree: C(degree - 1 + dim, dim).
constexpr std::int64_t series_terms(std::int64_t dim, std::int64_t degree) {
  std::int64_t terms = 1;
  for (std::int64_t d = 1; d <= dim; ++d) terms = terms * (degree - 1 + d) / d;
  return terms;
}

// Moments sum_k x_k exp(-|b|^2 / 2) b^a / a! of all a below `degree`, the first variable's power
// rising slowest; one block of series_terms(dim, degree) for each channel.
struct Series {
  const double* moments;
  std::int64_t dim, degree, channels;
};

// Adds one key to the moments. dim from 1 to kSeriesDims.
void add_moments(const double* offset, const float* values, const Series& shape, double* moments);

// sums[c * 64 + i] += exp(-|u_i|^2 / 2) sum_a u_i^a moment_c[a] over total degrees below `used`, at
// most series.degree. u by coordinate, 64 to a row, as queries of gauss_direct (gauss.h).
void gauss_series(const double* u, std::int64_t num_queries, const Series& series,
                  std::int64_t used, double* sums);

}  // namespace subquad::kernels
