// Methods side by side on the heads of given layers: CPU time of one thread, taken in turns, and
// the relative Frobenius error of the output (docs/guide/far.md), and the recall of a search
// through candidates (docs/guide/topk.md).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cpu_time.h"
#include "subquad/attention.h"
#include "subquad/error.h"
#include "subquad/io.h"

namespace {

using namespace subquad;

struct Arguments {
  std::vector<std::string> files, methods;
  int seeds = 3;
};

struct Layer {
  io::TensorFile file;
  Problem problem;
  Shape4 out_shape() const {
    return {1, problem.query.heads(), problem.query.length(), problem.value.channels()};
  }
};

TensorView view_of(const io::TensorFile& file, const std::string& path, const char* name) {
  const io::Tensor& tensor = file.at(name);
  const bool is_f16 = tensor.type == io::ElementType::f16;
  if (tensor.shape.size() != 3 || !(is_f16 || tensor.type == io::ElementType::f32))
    throw_invalid(fmt::format("{}: {} must be (heads, n, d), f32 or f16", path, name));
  return dense_view(tensor.data, is_f16 ? DType::f16 : DType::f32,
                    {1, tensor.shape[0], tensor.shape[1], tensor.shape[2]});
}

Layer load(const std::string& path) {
  Layer layer{io::TensorFile::open(path), {}};
  layer.problem.query = view_of(layer.file, path, "q");
  layer.problem.key = view_of(layer.file, path, "k");
  layer.problem.value = view_of(layer.file, path, "v");
  return layer;
}

// Best time, mean error and recall over the seeds.
struct Result {
  double seconds = 1e300, error = 0, recall = 0;
};

// Into `out`; the time it took, and the report.
std::pair<double, Report> run(const Layer& layer, const std::string& method, int seed,
                              std::vector<float>& out) {
  const Shape4 shape = layer.out_shape();
  out.resize(static_cast<std::size_t>(shape[1] * shape[2] * shape[3]));
  Outputs outputs;
  outputs.out = dense_view(static_cast<void*>(out.data()), DType::f32, shape);
  Options options;
  options.threads = 1;
  options.seed = static_cast<std::uint64_t>(seed);
  const double start = bench::cpu_seconds();
  const Report report = attend(layer.problem, method, outputs, options);
  return {bench::cpu_seconds() - start, report};
}

double relative_error(const std::vector<float>& out, const std::vector<float>& exact) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    error += std::pow(double{out[i]} - double{exact[i]}, 2);
    size += std::pow(double{exact[i]}, 2);
  }
  return std::sqrt(error / size);
}

void run_file(const std::string& path, const Arguments& options) {
  const Layer layer = load(path);
  std::vector<Result> results(options.methods.size());
  double exact_seconds = 1e300;
  std::vector<float> exact, out;
  for (int seed = 0; seed < options.seeds; ++seed) {
    exact_seconds = std::min(exact_seconds, run(layer, "exact", seed, exact).first);
    for (std::size_t m = 0; m < results.size(); ++m) {
      const auto [seconds, report] = run(layer, options.methods[m], seed, out);
      results[m].seconds = std::min(results[m].seconds, seconds);
      results[m].error += relative_error(out, exact) / options.seeds;
      results[m].recall += report.recall / options.seeds;
    }
  }
  fmt::print("{}, n = {}: exact {:.3f} s\n", path, layer.problem.key.length(), exact_seconds);
  for (std::size_t m = 0; m < results.size(); ++m) {
    fmt::print("  {:<58} error {:.4f}  time {:6.3f} of exact", options.methods[m], results[m].error,
               results[m].seconds / exact_seconds);
    if (!std::isnan(results[m].recall)) fmt::print("  recall {:.4f}", results[m].recall);
    fmt::print("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Methods side by side on one thread: error and CPU time");
  Arguments options;
  app.add_option("files", options.files, "Layers: q, k, v (heads, n, d)")->required();
  app.add_option("--method", options.methods, "Specs")->required();
  app.add_option("--seeds", options.seeds, "Runs of each: least time, mean error")
      ->check(CLI::Range(1, 100));
  CLI11_PARSE(app, argc, argv);
  try {
    for (const std::string& file : options.files) run_file(file, options);
  } catch (const Error& error) {
    fmt::print(stderr, "method_bench: {}\n", error.what());
    return error.kind() == ErrorKind::invalid_argument ? 2 : 1;
  }
  return 0;
}
