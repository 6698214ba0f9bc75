// The cost of clustering keys and grouping rows, beside exact attention on one head, and the
// variance left within clusters (light/key_clusters.h). CPU time of one thread, the best of a few.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cpu_time.h"
#include "kernels/pack.h"
#include "index/key_clusters.h"
#include "index/row_groups.h"
#include "subquad/attention.h"
#include "subquad/error.h"
#include "subquad/io.h"

namespace {

using namespace subquad;
using bench::best_seconds;

struct Arguments {
  std::vector<std::int64_t> lengths{4097};
  std::int64_t head_dim = 64, clusters = 256, rows = 64;
  std::string file;
  int repeats = 5;
};

struct Points {
  std::string name;
  std::int64_t n, dim;
  std::vector<float> query, key;
};

// 100 centers of variance 1 a channel, points of variance 0.25 around them.
std::vector<float> mixture(std::int64_t n, std::int64_t dim) {
  const Rng rng(7, 0), noise(7, 1);
  std::vector<float> rows;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto row = static_cast<std::uint32_t>(i);
    const auto center =
        static_cast<std::uint32_t>(noise.below(100, Purpose::sample, row, 1u << 20));
    for (std::uint32_t c = 0; c < dim; ++c)
      rows.push_back(rng.normal(Purpose::sample, center, c) +
                     0.5f * noise.normal(Purpose::sample, row, c));
  }
  return rows;
}

// Exact attention on at most 4,097 rows and keys, scaled up to n of each.
double exact_seconds(const Points& points, int repeats) {
  const std::int64_t n = std::min<std::int64_t>(points.n, 4097);
  const Shape4 shape{1, 1, n, points.dim};
  Problem problem;
  problem.query = dense_view(static_cast<const void*>(points.query.data()), DType::f32, shape);
  problem.key = problem.value =
      dense_view(static_cast<const void*>(points.key.data()), DType::f32, shape);
  std::vector<float> out(static_cast<std::size_t>(n * points.dim));
  Outputs outputs;
  outputs.out = dense_view(static_cast<void*>(out.data()), DType::f32, shape);
  Options options;
  options.threads = 1;
  const double seconds =
      best_seconds(repeats, [&](int) { attend(problem, "exact", outputs, options); });
  const double ratio = static_cast<double>(points.n) / static_cast<double>(n);
  return seconds * ratio * ratio;
}

double squared_distances(const Partition& partition, const std::vector<float>& points,
                         std::int64_t dim) {
  const std::vector<float> means = cluster_means(partition, points.data(), dim, 1);
  double sum = 0;
  for (std::size_t i = 0; i < partition.cluster_of.size(); ++i)
    for (std::int64_t c = 0; c < dim; ++c) {
      const double difference =
          double{points[i * static_cast<std::size_t>(dim) + static_cast<std::size_t>(c)]} -
          means[static_cast<std::size_t>(partition.cluster_of[i] * dim + c)];
      sum += difference * difference;
    }
  return sum;
}

template <typename Make>
void measure(const char* name, const Points& points, const std::vector<float>& data, double exact,
             int repeats, const Make& make) {
  Partition partition;
  const double seconds = best_seconds(repeats, [&](int) { partition = make(data.data()); });
  const Partition one =
      cluster_points(data.data(), points.n, points.dim, 1, Clustering::tree, Rng(1, 0), 1);
  std::int64_t least = points.n, most = 0;
  for (std::int64_t c = 0; c < partition.size(); ++c) {
    least = std::min(least, partition.members(c).count);
    most = std::max(most, partition.members(c).count);
  }
  fmt::print(
      "  {:<11} {:9.3f} ms {:6.2f} % of exact  {:4} parts of {} to {}  variance left {:.3f}\n",
      name, 1e3 * seconds, 100 * seconds / exact, partition.size(), least, most,
      squared_distances(partition, data, points.dim) / squared_distances(one, data, points.dim));
}

void run(const Points& points, const Arguments& options) {
  const double exact = exact_seconds(points, options.repeats);
  fmt::print("{}, n = {}, D = {}: exact {:.1f} ms\n", points.name, points.n, points.dim,
             1e3 * exact);
  const std::pair<const char*, Clustering> methods[] = {
      {"tree", Clustering::tree}, {"kmeans", Clustering::kmeans}, {"lsh", Clustering::lsh}};
  for (const auto& [name, how] : methods)
    measure(name, points, points.key, exact, options.repeats, [&, how = how](const float* data) {
      return cluster_points(data, points.n, points.dim, options.clusters, how, Rng(1, 0), 1);
    });
  measure("group_rows", points, points.query, exact, options.repeats, [&](const float* data) {
    return group_rows(data, points.n, points.dim, options.rows, 2 * options.rows, Rng(1, 0), 1);
  });
}

std::vector<float> head_of(const io::Tensor& tensor, std::int64_t head) {
  const std::int64_t n = tensor.shape[1], dim = tensor.shape[2];
  const DType type = tensor.type == io::ElementType::f32   ? DType::f32
                     : tensor.type == io::ElementType::f16 ? DType::f16
                                                           : DType::bf16;
  std::vector<float> rows(static_cast<std::size_t>(n * dim));
  kernels::load_rows({tensor.data, type, dim, dim, nullptr, head * n, n}, 1.0f, rows.data(), dim,
                     dim);
  return rows;
}

void run_file(const Arguments& options) {
  const io::TensorFile file = io::TensorFile::open(options.file);
  const io::Tensor &query = file.at("q"), &key = file.at("k");
  const bool is_float = query.type == io::ElementType::f32 || query.type == io::ElementType::f16 ||
                        query.type == io::ElementType::bf16;
  if (query.shape.size() != 3 || query.shape[1] != key.shape.at(1) || !is_float ||
      key.type != query.type)
    throw_invalid("--input: q and k must be (heads, n, d), of one float type and one length");
  for (std::int64_t h = 0; h < key.shape[0]; ++h)
    run({fmt::format("head {}", h), key.shape[1], key.shape[2],
         head_of(query, h * (query.shape[0] / key.shape[0])), head_of(key, h)},
        options);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Clustering keys and grouping rows beside exact attention");
  Arguments options;
  app.add_option("--seq", options.lengths, "Rows and keys")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--head-dim", options.head_dim, "Channels")->check(CLI::Range(1, 512));
  app.add_option("--clusters", options.clusters, "Clusters of keys")->check(CLI::Range(1, 1 << 20));
  app.add_option("--rows", options.rows, "Rows a group")->check(CLI::Range(1, 1 << 20));
  app.add_option("--repeats", options.repeats, "Runs, of which the best counts")
      ->check(CLI::Range(1, 100));
  app.add_option("--input", options.file, "q and k of a layer instead of a mixture (safetensors)");
  CLI11_PARSE(app, argc, argv);
  try {
    if (!options.file.empty()) run_file(options);
    for (const std::int64_t n : options.lengths)
      if (options.file.empty())
        run({"mixture", n, options.head_dim, mixture(n, options.head_dim),
             mixture(n, options.head_dim)},
            options);
  } catch (const Error& error) {
    fmt::print(stderr, "cluster_bench: {}\n", error.what());
    return error.kind() == ErrorKind::invalid_argument ? 2 : 1;
  }
  return 0;
}
