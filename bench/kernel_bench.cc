// Sums of Gaussian kernels, far or boxes beside exact, all points of a data set as queries and as
// keys (docs/guide/kernel_sums.md). CPU time of one thread, one run of each method.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "core/rng.h"
#include "cpu_time.h"
#include "subquad/error.h"
#include "subquad/io.h"
#include "subquad/kernel_sums.h"

namespace {

using namespace subquad;

constexpr std::int64_t kMaxDim = 512;
constexpr std::uint32_t kPairs = 4001;  // of points, for their median distance
constexpr std::int64_t kCheckedRows = 20;

struct Arguments {
  std::vector<std::string> files, methods{"far", "far(error=0.05)"};
  std::vector<double> parts{1, 0.5, 0.25};
  std::int64_t columns = 8, dims = kMaxDim;
};

struct Points {
  std::int64_t n = 0, dim = 0;
  std::vector<float> rows;
  const float* row(std::int64_t i) const { return rows.data() + i * dim; }
};

std::vector<double> read_points(const std::string& path, std::int64_t& n, std::int64_t& dim) {
  const io::TensorFile file = io::TensorFile::open(path);
  const io::Tensor& tensor = file.tensors().front();
  const bool bytes = tensor.type == io::ElementType::u8;
  if (tensor.shape.size() != 2 || !(bytes || tensor.type == io::ElementType::f32))
    throw_invalid(path + ": must be a matrix of f32 or u8");
  n = tensor.shape[0];
  dim = tensor.shape[1];
  const auto* u8 = static_cast<const std::uint8_t*>(tensor.data);
  const auto* f32 = static_cast<const float*>(tensor.data);
  std::vector<double> raw;
  for (std::int64_t i = 0; i < n * dim; ++i)
    raw.push_back(bytes ? double{static_cast<float>(u8[i])} : double{f32[i]});
  return raw;
}

// Channels of mean 0 and variance 1; constant ones are left out, and those behind the first `dims`.
Points load_points(const std::string& path, std::int64_t dims) {
  std::int64_t channels = 0;
  Points points;
  const std::vector<double> raw = read_points(path, points.n, channels);
  const auto at = [&](std::int64_t i, std::int64_t c) {
    return raw[static_cast<std::size_t>(i * channels + c)];
  };
  std::vector<std::vector<float>> kept;
  for (std::int64_t c = 0; c < channels && std::ssize(kept) < dims; ++c) {
    double mean = 0, variance = 0;
    for (std::int64_t i = 0; i < points.n; ++i) mean += at(i, c) / static_cast<double>(points.n);
    for (std::int64_t i = 0; i < points.n; ++i)
      variance += (at(i, c) - mean) * (at(i, c) - mean) / static_cast<double>(points.n);
    if (!(variance > 0)) continue;
    std::vector<float>& column = kept.emplace_back();
    for (std::int64_t i = 0; i < points.n; ++i)
      column.push_back(static_cast<float>((at(i, c) - mean) / std::sqrt(variance)));
  }
  points.dim = std::ssize(kept);
  for (std::int64_t i = 0; i < points.n; ++i)
    for (const std::vector<float>& column : kept)
      points.rows.push_back(column[static_cast<std::size_t>(i)]);
  return points;
}

double squared_distance(const Points& points, std::int64_t i, std::int64_t j) {
  double sum = 0;
  for (std::int64_t c = 0; c < points.dim; ++c) {
    const double gap = double{points.row(i)[c]} - double{points.row(j)[c]};
    sum += gap * gap;
  }
  return sum;
}

double median_distance(const Points& points) {
  const Rng rng(7, 0);
  std::vector<double> squares;
  for (std::uint32_t pair = 0; pair < kPairs; ++pair)
    squares.push_back(squared_distance(points, rng.below(points.n, Purpose::sample, pair, 0),
                                       rng.below(points.n, Purpose::sample, pair, 1)));
  const auto middle = squares.begin() + kPairs / 2;
  std::nth_element(squares.begin(), middle, squares.end());
  return std::sqrt(*middle);
}

// Ones, or standard normal numbers, which hardly add up to anything.
std::vector<float> values(std::int64_t n, std::int64_t columns) {
  if (columns == 1) return std::vector<float>(static_cast<std::size_t>(n), 1.0f);
  std::vector<float> x;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t c = 0; c < columns; ++c)
      x.push_back(Rng(7, 1).normal(Purpose::sample, static_cast<std::uint32_t>(i),
                                   static_cast<std::uint32_t>(c)));
  return x;
}

struct Sums {
  std::vector<float> y;
  KernelReport report;
  double seconds = 0;
};

Sums run(const KernelProblem& problem, const std::string& method) {
  const Shape4 shape{1, 1, problem.query.length(), problem.value.channels()};
  Sums sums{std::vector<float>(static_cast<std::size_t>(shape[2] * shape[3])), {}, 0};
  void* const y = sums.y.data();
  Options options;
  options.threads = 1;
  const double start = bench::cpu_seconds();
  sums.report = kernel_sums(problem, method, {dense_view(y, DType::f32, shape)}, options);
  sums.seconds = bench::cpu_seconds() - start;
  return sums;
}

// Largest |y - plain| / sum_k w_k |x_k| on a few rows, by a double-precision loop.
double plain_error(const Points& points, const std::vector<float>& x, double bandwidth,
                   const std::vector<float>& y) {
  const std::int64_t columns = std::ssize(x) / points.n;
  double worst = 0;
  for (std::int64_t t = 0; t < kCheckedRows; ++t) {
    const std::int64_t i = t * points.n / kCheckedRows;
    std::vector<double> sum(static_cast<std::size_t>(columns), 0.0), size(sum);
    for (std::int64_t k = 0; k < points.n; ++k) {
      const double weight = std::exp(-squared_distance(points, i, k) / (2 * bandwidth * bandwidth));
      for (std::size_t c = 0; c < sum.size(); ++c) {
        const double term = weight * double{x[static_cast<std::size_t>(k * columns) + c]};
        sum[c] += term;
        size[c] += std::fabs(term);
      }
    }
    for (std::size_t c = 0; c < sum.size(); ++c) {
      const double found = y[static_cast<std::size_t>(i * columns) + c];
      worst = std::max(worst, std::fabs(found - sum[c]) / size[c]);
    }
  }
  return worst;
}

double relative_error(const std::vector<float>& y, const std::vector<float>& exact) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    error += std::pow(double{y[i]} - double{exact[i]}, 2);
    size += std::pow(double{exact[i]}, 2);
  }
  return std::sqrt(error / size);
}

void measure(const Points& points, double bandwidth, std::int64_t columns,
             const std::vector<std::string>& methods) {
  const std::vector<float> x = values(points.n, columns);
  KernelProblem problem;
  problem.query = problem.key = dense_view(static_cast<const void*>(points.rows.data()), DType::f32,
                                           {1, 1, points.n, points.dim});
  problem.value =
      dense_view(static_cast<const void*>(x.data()), DType::f32, {1, 1, points.n, columns});
  problem.bandwidth = bandwidth;
  const Sums exact = run(problem, "exact");
  fmt::print("  C = {}, sigma {:.3f}: exact {:.2f} s, off a double loop by {:.1e}\n", columns,
             bandwidth, exact.seconds, plain_error(points, x, bandwidth, exact.y));
  for (const std::string& method : methods) {
    const Sums sums = run(problem, method);
    const bool bound = std::isnan(sums.report.estimated_error);
    const double pairs = static_cast<double>(points.n) * static_cast<double>(points.n);
    fmt::print(
        "    {:<18} {:<12} error {:.1e} ({} {:.1e}), {:5.1f} times faster, {:.3f} of pairs\n",
        method, sums.report.path, relative_error(sums.y, exact.y), bound ? "bound" : "estimate",
        bound ? sums.report.error_bound : sums.report.estimated_error, exact.seconds / sums.seconds,
        static_cast<double>(sums.report.opened_entries) / pairs);
  }
}

void run_file(const std::string& path, const Arguments& options) {
  const Points points = load_points(path, options.dims);
  const double median = median_distance(points);
  fmt::print("{}, n = {}, D = {}, median distance {:.3f}\n", path, points.n, points.dim, median);
  for (const double part : options.parts) {
    measure(points, part * median, 1, {options.methods.front()});
    measure(points, part * median, options.columns, options.methods);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Sums of Gaussian kernels: far or boxes beside exact");
  Arguments options;
  app.add_option("files", options.files, "Points: matrices of f32 or u8 (.npy)")->required();
  app.add_option("--method", options.methods, "The first is also run with one column of ones");
  app.add_option("--sigma", options.parts, "Bandwidths, in median distances of two points")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  app.add_option("--dims", options.dims, "Of the points, the first ones")
      ->check(CLI::Range(std::int64_t{1}, kMaxDim));
  app.add_option("--columns", options.columns, "Columns of normal numbers")
      ->check(CLI::Range(2, 512));
  CLI11_PARSE(app, argc, argv);
  try {
    for (const std::string& file : options.files) run_file(file, options);
  } catch (const Error& error) {
    fmt::print(stderr, "kernel_bench: {}\n", error.what());
    return error.kind() == ErrorKind::invalid_argument ? 2 : 1;
  }
  return 0;
}
