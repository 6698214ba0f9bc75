#include "denoise/nonlocal_means.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "denoise/attention_sums.h"
#include "subquad/error.h"
#include "subquad/kernel_sums.h"

namespace subquad::denoise {
namespace {

// Columns of the values: R, G, B and one.
constexpr std::int64_t kColumns = 4;

void check_means(const MeansOptions& options) {
  if (!(options.noise >= 0) || !(options.noise <= 255))
    throw_invalid(fmt::format("noise: {} must be 0 to 255 grey levels", options.noise));
  if (!(options.bandwidth > 0) || !std::isfinite(options.bandwidth))
    throw_invalid(fmt::format("bandwidth: {} must be positive and finite", options.bandwidth));
  if (!(options.recheck >= 0) || !std::isfinite(options.recheck))
    throw_invalid(fmt::format("recheck: {} must be 0 or more, and finite", options.recheck));
}

TensorView rows_view(const float* data, std::int64_t rows, std::int64_t columns) {
  return dense_view(static_cast<const void*>(data), DType::f32, {1, 1, rows, columns});
}

std::vector<float> colours_of(const vit::Image& image) {
  return {image.pixels.begin(), image.pixels.end()};
}

std::vector<float> colours_and_ones(const vit::Image& image) {
  std::vector<float> values;
  values.reserve(image.pixels.size() / 3 * 4);
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    for (std::size_t c = 0; c < 3; ++c) values.push_back(image.pixels[i + c]);
    values.push_back(1);
  }
  return values;
}

class Sums {
 public:
  Sums(const PatchPoints& points, const std::vector<float>& values, const MeansOptions& options)
      : points_(points), values_(values), options_(options) {}

  // Of `count` queries, (count, 4).
  std::vector<float> at(const float* queries, std::int64_t count, const std::string& method,
                        KernelReport& report) const {
    std::vector<float> sums(static_cast<std::size_t>(count * kColumns));
    const KernelProblem problem{rows_view(queries, count, points_.dim),
                                rows_view(points_.rows.data(), points_.count, points_.dim),
                                rows_view(values_.data(), points_.count, kColumns),
                                options_.bandwidth};
    report = kernel_sums(
        problem, method,
        {dense_view(static_cast<void*>(sums.data()), DType::f32, {1, 1, count, kColumns})},
        options_.run);
    return sums;
  }

 private:
  const PatchPoints& points_;
  const std::vector<float>& values_;
  const MeansOptions& options_;
};

// By the method, or the attention, that the options name.
std::vector<float> by_method(const vit::Image& image, const PatchPoints& points, const Sums& sums,
                             const MeansOptions& options, MeansReport& report) {
  if (!options.attention.empty()) {
    Report run;
    std::vector<float> rows = attention_sums(points, colours_of(image), options.bandwidth,
                                             options.attention, options.run, run);
    report = {run.path, 0, 0, run.estimated_error};
    return rows;
  }
  KernelReport run;
  std::vector<float> rows = sums.at(points.rows.data(), points.count, options.method, run);
  report = {run.path, 0, 0, run.estimated_error};
  return rows;
}

// Rows whose weights are too small for what the method may be off by.
std::vector<std::int64_t> doubtful_rows(const std::vector<float>& sums, double least) {
  std::vector<std::int64_t> rows;
  for (std::size_t i = 3; i < sums.size(); i += 4)
    if (!(static_cast<double>(sums[i]) >= least)) rows.push_back(static_cast<std::int64_t>(i / 4));
  return rows;
}

// Sums the doubtful rows again; returns how many.
std::int64_t check_rows(const PatchPoints& points, const Sums& exact, double least,
                        std::vector<float>& sums) {
  const std::vector<std::int64_t> rows = doubtful_rows(sums, least);
  if (rows.empty()) return 0;
  std::vector<float> queries;
  queries.reserve(rows.size() * static_cast<std::size_t>(points.dim));
  for (const std::int64_t row : rows) {
    const float* query = points.rows.data() + row * points.dim;
    queries.insert(queries.end(), query, query + points.dim);
  }
  KernelReport ignored;
  const std::vector<float> again =
      exact.at(queries.data(), static_cast<std::int64_t>(rows.size()), "exact", ignored);
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::copy_n(again.data() + 4 * i, 4, sums.data() + 4 * rows[i]);
  return static_cast<std::int64_t>(rows.size());
}

// Mean square distance that noise alone puts between two patches, over 2 noise^2.
double noise_share(const PatchOptions& patch) {
  return static_cast<double>(patch_dim(patch)) / static_cast<double>(3 * patch.side * patch.side);
}

double own_weight(const MeansOptions& options) {
  if (options.own == OwnWeight::one) return 1;
  if (options.own == OwnWeight::none) return 0;
  const double ratio = options.noise / options.bandwidth;
  return std::exp(-noise_share(options.patch) * ratio * ratio);
}

std::uint8_t to_level(double value) {
  return static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
}

// sums / weights, the pixel's own weight lowered by `excess`. Returns how many pixels were kept.
std::int64_t divide(const vit::Image& image, const std::vector<float>& sums, double excess,
                    vit::Image& out) {
  // Below: what rounding leaves where nothing else is alike.
  constexpr double kLeast = 1e-5;
  std::int64_t kept = 0;
  for (std::size_t i = 0; i < sums.size() / 4; ++i) {
    const double weight = static_cast<double>(sums[4 * i + 3]) - excess;
    kept += weight < kLeast ? 1 : 0;
    for (std::size_t c = 0; c < 3; ++c) {
      const double own = image.pixels[3 * i + c];
      const double sum = static_cast<double>(sums[4 * i + c]) - excess * own;
      out.pixels[3 * i + c] = to_level(weight < kLeast ? own : sum / weight);
    }
  }
  return kept;
}

}  // namespace

double default_bandwidth(const PatchOptions& patch, double noise) {
  return 0.85 * noise * std::sqrt(noise_share(patch));
}

vit::Image nonlocal_means(const vit::Image& image, const MeansOptions& options,
                          MeansReport& report) {
  check_means(options);
  const PatchPoints points = patch_points(image, options.patch);
  const std::vector<float> values = colours_and_ones(image);
  const Sums sums(points, values, options);
  std::vector<float> rows = by_method(image, points, sums, options, report);
  if (!report.path.starts_with("exact"))
    report.checked = check_rows(points, sums, options.recheck, rows);
  vit::Image out = image;
  report.kept = divide(image, rows, 1 - own_weight(options), out);
  return out;
}

}  // namespace subquad::denoise
