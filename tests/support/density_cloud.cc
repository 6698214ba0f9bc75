#include "support/density_cloud.h"

#include <algorithm>
#include <cmath>

#include "support/draw.h"

namespace subquad::testing {

TensorView PointRows::view() const {
  return dense_view(values.data(), DType::f32, {1, 1, count(), dim});
}

PointRows PointRows::part(std::int64_t begin, std::int64_t end) const {
  return {{values.begin() + begin * dim, values.begin() + end * dim}, dim};
}

PointRows mixture(std::int64_t n, std::int64_t dim, std::uint64_t seed, double scale) {
  Draw draw(seed);
  PointRows points{{}, dim};
  for (std::int64_t i = 0; i < n; ++i) {
    const auto center = static_cast<double>(i % 2 == 0 ? 0 : draw.integer(1, 3));
    for (std::int64_t c = 0; c < dim; ++c) {
      const double offset = center == 0 ? 0 : 3 * std::sin(center * static_cast<double>(c + 1));
      points.values.push_back(static_cast<float>(scale * (draw.normal() + offset)));
    }
  }
  return points;
}

std::vector<double> plain_densities(const PointRows& points, const PointRows& queries,
                                    std::span<const double> sigma) {
  std::vector<double> out;
  for (std::int64_t q = 0; q < queries.count(); ++q) {
    double sum = 0;
    for (std::int64_t i = 0; i < points.count(); ++i) {
      double square = 0;
      for (std::int64_t c = 0; c < points.dim; ++c) {
        const double difference =
            double{queries.values[static_cast<std::size_t>(q * points.dim + c)]} -
            double{points.values[static_cast<std::size_t>(i * points.dim + c)]};
        square +=
            std::pow(difference / sigma[sigma.size() == 1 ? 0 : static_cast<std::size_t>(c)], 2);
      }
      sum += std::exp(-square / 2);
    }
    out.push_back(sum / static_cast<double>(points.count()));
  }
  return out;
}

DensityResult densities(const PointRows& points, const PointRows& queries,
                        std::span<const double> sigma, const DensityQuery& how,
                        std::uint64_t seed) {
  return DensityIndex::fit(points.view(), sigma, {1, seed}).query(queries.view(), how);
}

double mean_relative_error(const DensityResult& result, const std::vector<double>& wanted) {
  double sum = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    sum += std::abs(result.value[i] - wanted[i]) / wanted[i];
  return sum / static_cast<double>(wanted.size());
}

}  // namespace subquad::testing
