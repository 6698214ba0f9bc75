// Points, queries and their densities by a plain loop in double precision.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "subquad/density.h"

namespace subquad::testing {

// Rows of `dim` numbers.
struct PointRows {
  std::vector<float> values;
  std::int64_t dim = 1;

  std::int64_t count() const { return static_cast<std::int64_t>(values.size()) / dim; }
  TensorView view() const;
  PointRows part(std::int64_t begin, std::int64_t end) const;
};

// Standard normal times `scale`; half of them about three centers at distances of some 3.
PointRows mixture(std::int64_t n, std::int64_t dim, std::uint64_t seed, double scale = 1);

// (1/n) sum_i exp(-sum_c ((q_c - p_c) / sigma_c)^2 / 2) of every query.
std::vector<double> plain_densities(const PointRows& points, const PointRows& queries,
                                    std::span<const double> sigma);

// fit() and query() in one.
DensityResult densities(const PointRows& points, const PointRows& queries,
                        std::span<const double> sigma, const DensityQuery& how,
                        std::uint64_t seed = 0);

// Mean over the queries of |value - wanted| / wanted.
double mean_relative_error(const DensityResult& result, const std::vector<double>& wanted);

}  // namespace subquad::testing
