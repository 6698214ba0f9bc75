#include "denoise/attention_sums.h"

#include <cmath>

namespace subquad::denoise {
namespace {

// Relative to their mean, in bandwidths: what distances lose to rounding is least there.
std::vector<float> centred(const PatchPoints& points, double bandwidth) {
  const auto dim = static_cast<std::size_t>(points.dim);
  std::vector<double> mean(dim);
  for (std::size_t i = 0; i < points.rows.size(); ++i)
    mean[i % dim] += static_cast<double>(points.rows[i]) / static_cast<double>(points.count);
  std::vector<float> rows(points.rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] = static_cast<float>((static_cast<double>(points.rows[i]) - mean[i % dim]) / bandwidth);
  return rows;
}

// |row|^2 / 2 of each.
std::vector<double> half_squares(const std::vector<float>& rows, std::int64_t dim) {
  std::vector<double> halves(rows.size() / static_cast<std::size_t>(dim));
  for (std::size_t i = 0; i < rows.size(); ++i)
    halves[i / static_cast<std::size_t>(dim)] += 0.5 * std::pow(static_cast<double>(rows[i]), 2);
  return halves;
}

// A channel more: 1 of the queries, less the half square of the keys.
struct QueriesAndKeys {
  std::vector<float> queries, keys;
};
QueriesAndKeys widened(const std::vector<float>& rows, const std::vector<double>& halves) {
  const std::size_t dim = rows.size() / halves.size();
  QueriesAndKeys wide;
  wide.queries.reserve(rows.size() + halves.size());
  for (std::size_t i = 0; i < halves.size(); ++i) {
    const float* row = rows.data() + i * dim;
    wide.queries.insert(wide.queries.end(), row, row + dim);
    wide.queries.push_back(1);
  }
  wide.keys = wide.queries;
  for (std::size_t i = 0; i < halves.size(); ++i)
    wide.keys[i * (dim + 1) + dim] = static_cast<float>(-halves[i]);
  return wide;
}

template <typename Data>
auto view_of(Data* data, std::int64_t rows, std::int64_t columns) {
  return dense_view(data, DType::f32, {1, 1, rows, columns});
}

}  // namespace

std::vector<float> attention_sums(const PatchPoints& points, const std::vector<float>& colours,
                                  double bandwidth, const std::string& spec, const Options& options,
                                  Report& report) {
  const std::int64_t count = points.count, width = points.dim + 1;
  const std::vector<float> rows = centred(points, bandwidth);
  const std::vector<double> halves = half_squares(rows, points.dim);
  const QueriesAndKeys wide = widened(rows, halves);
  Problem problem;
  problem.query = view_of<const void>(wide.queries.data(), count, width);
  problem.key = view_of<const void>(wide.keys.data(), count, width);
  problem.value = view_of<const void>(colours.data(), count, 3);
  problem.scale = 1;
  std::vector<float> means(static_cast<std::size_t>(3 * count)),
      lse(static_cast<std::size_t>(count)), sums;
  report = attend(problem, spec,
                  {view_of<void>(means.data(), count, 3), view_of<void>(lse.data(), count, 1), {}},
                  options);
  sums.reserve(static_cast<std::size_t>(4 * count));
  for (std::size_t i = 0; i < lse.size(); ++i) {
    const double weight = std::exp(static_cast<double>(lse[i]) - halves[i]);
    for (std::size_t c = 0; c < 3; ++c)
      sums.push_back(static_cast<float>(weight * static_cast<double>(means[3 * i + c])));
    sums.push_back(static_cast<float>(weight));
  }
  return sums;
}

}  // namespace subquad::denoise
