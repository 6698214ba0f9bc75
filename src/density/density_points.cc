#include "density/density_points.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "core/checks.h"
#include "core/threads.h"
#include "kernels/pack.h"

namespace subquad {
namespace {

constexpr double kRange = 1e16;
constexpr std::int64_t kRows = 1024;  // at a time

void check_plane(const char* name, const TensorView& view) {
  check_view(name, view);
  if (view.length() > kMaxLength)
    throw_invalid(
        fmt::format("{}: {} points, at most {} are supported", name, view.length(), kMaxLength));
  if (view.channels() < 1 || view.channels() > kMostColumns)
    throw_invalid(
        fmt::format("{}: last extent is {}, must be 1 to {}", name, view.channels(), kMostColumns));
  if (view.batch() != 1 || view.heads() != 1)
    throw_invalid(fmt::format("{}: shape is ({}, {}, ..), must be (1, 1, n, D)", name, view.batch(),
                              view.heads()));
}

void check_finite(const char* name, std::span<const float> rows, std::int64_t dim) {
  const auto bad =
      std::find_if(rows.begin(), rows.end(), [](float x) { return !std::isfinite(x); });
  if (bad != rows.end())
    throw_invalid(fmt::format("{}: row {}, column {} is {}, must be finite", name,
                              (bad - rows.begin()) / dim, (bad - rows.begin()) % dim, *bad));
}

std::vector<double> mean_of(const DensityPoints& points) {
  std::vector<double> mean(static_cast<std::size_t>(points.dim));
  for (std::size_t i = 0; i < points.rows.size(); ++i)
    mean[i % mean.size()] += double{points.rows[i]} / static_cast<double>(points.count());
  return mean;
}

void check_range(const DensityPoints& points, std::span<const double> center,
                 std::span<const double> factor) {
  for (std::size_t i = 0; i < points.rows.size(); ++i) {
    const std::size_t c = i % center.size();
    if (std::abs(points.rows[i] - center[c]) * factor[c] > kRange)
      throw_invalid(
          fmt::format("points: column {} reaches {}, more than 1e16 bandwidths from its "
                      "mean {}: floats cannot tell such points apart",
                      c, points.rows[i], center[c]));
  }
}

}  // namespace

std::vector<float> finite_rows(const char* name, const TensorView& view, int threads) {
  check_plane(name, view);
  const std::int64_t dim = view.channels(), n = view.length();
  std::vector<float> rows(static_cast<std::size_t>(n * dim));
  const kernels::RowSource source{view.data, view.dtype, view.stride[2], dim, nullptr, 0, n};
  parallel_for(threads, (n + kRows - 1) / kRows, [&](std::int64_t part) {
    const std::int64_t begin = part * kRows;
    kernels::load_rows(source.slice(begin, std::min(kRows, n - begin)), 1.0f,
                       rows.data() + begin * dim, dim, dim);
  });
  check_finite(name, rows, dim);
  return rows;
}

DensityUnits::DensityUnits(const DensityPoints& points, std::span<const double> bandwidth)
    : center_(mean_of(points)) {
  for (const double sigma : bandwidth)
    factor_.push_back(std::sqrt(0.5 * std::numbers::log2e) / sigma);
  check_range(points, center_, factor_);
}

std::vector<float> DensityUnits::scaled(std::span<const float> rows, int threads) const {
  std::vector<float> out(rows.size());
  const std::size_t dim = center_.size();
  const std::size_t n = rows.size() / dim;
  parallel_for(threads, static_cast<std::int64_t>(n), [&](std::int64_t i) {
    for (std::size_t c = 0; c < dim; ++c) {
      const std::size_t at = static_cast<std::size_t>(i) * dim + c;
      const double x = (rows[at] - center_[c]) * factor_[c];
      out[at] = static_cast<float>(std::clamp(x, -10 * kRange, 10 * kRange));
    }
  });
  return out;
}

}  // namespace subquad
