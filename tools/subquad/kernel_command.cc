#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "buffer.h"
#include "commands.h"
#include "common_options.h"
#include "number_text.h"
#include "output_file.h"
#include "run_record.h"
#include "subquad/error.h"
#include "subquad/io.h"
#include "subquad/kernel_sums.h"

namespace subquad::cli {
namespace {

struct KernelFiles {
  CommonOptions common;
  std::string queries, keys, x, out, method = "exact";
  double bandwidth = 0;
};

const char* const footer =
    "y_i = sum_k exp(-|q_i - k|^2 / (2 S^2)) x_k for the rows q_i of QUERIES (m, D), k of KEYS (n, "
    "D)\n"
    "and x_k of X (n, C) or (n). Y is f32, (m, C) or (m). Points are used as they are: "
    "standardise\n"
    "first. SPEC is exact, or far(clusters=, error=, ..): see docs/guide/kernel_sums.md.\n"
    "Example:\n"
    "  subquad kernel --queries p.npy --keys p.npy --x x.npy --bandwidth 1.5 --method "
    "\"far(error=0.01)\" --out y.npy";

// A matrix from a file of one tensor, and the file that it points into.
struct Matrix {
  io::TensorFile file;
  TensorView view;
  bool is_vector;
};

DType storage_of(const io::Tensor& tensor, const std::string& option, const std::string& path) {
  if (tensor.type == io::ElementType::f32) return DType::f32;
  if (tensor.type == io::ElementType::f16) return DType::f16;
  if (tensor.type == io::ElementType::bf16) return DType::bf16;
  throw_invalid(fmt::format("{} {}: elements are {}, must be f32, f16 or bf16", option, path,
                            io::name_of(tensor.type)));
}

Matrix load_matrix(const std::string& path, const std::string& option, bool may_be_vector) {
  Matrix matrix{io::TensorFile::open(path), {}, false};
  const std::vector<io::Tensor>& tensors = matrix.file.tensors();
  if (tensors.size() != 1)
    throw_invalid(
        fmt::format("{} {}: has {} tensors, must have one", option, path, tensors.size()));
  const io::Tensor& tensor = tensors.front();
  matrix.is_vector = may_be_vector && tensor.shape.size() == 1;
  if (!matrix.is_vector && tensor.shape.size() != 2)
    throw_invalid(
        fmt::format("{} {}: has {} dimensions, must have 2", option, path, tensor.shape.size()));
  const std::int64_t columns = matrix.is_vector ? 1 : tensor.shape[1];
  matrix.view =
      dense_view(tensor.data, storage_of(tensor, option, path), {1, 1, tensor.shape[0], columns});
  return matrix;
}

void write_sums(const KernelFiles& files, const Buffer& sums, bool is_vector) {
  const TensorView view = sums.view();
  std::vector<std::int64_t> shape{view.length()};
  if (!is_vector) shape.push_back(view.channels());
  const std::array tensors{io::Tensor{"y", io::ElementType::f32, shape, view.data}};
  io::write_file(files.out, tensors);
}

RunRecord record(const KernelFiles& files, const KernelProblem& problem, const KernelReport& report,
                 double seconds) {
  RunRecord run;
  run.method = files.method;
  run.input = files.keys;
  run.path = report.path;
  run.size.heads = run.size.kv_heads = 1;
  run.size.queries = problem.query.length();
  run.size.seq = problem.key.length();
  run.size.head_dim = problem.query.channels();
  run.size.value_dim = problem.value.channels();
  run.size.dtype = problem.query.dtype;
  run.median_s = seconds;
  run.repeats = 1;
  run.peak_extra_bytes = report.peak_extra_bytes;
  run.scored_entries = report.scored_entries;
  if (!std::isnan(report.estimated_error)) run.estimated_error = report.estimated_error;
  return run;
}

void print_summary(const KernelFiles& files, const RunRecord& run) {
  fmt::print(
      "{} queries, {} keys, D {}, C {}\n{} [{}] took {} (a single, cold run), {} extra "
      "memory\n",
      run.size.queries, run.size.seq, run.size.head_dim, run.size.value_dim, run.method, run.path,
      seconds_text(run.median_s), bytes_text(run.peak_extra_bytes));
  if (run.estimated_error)
    fmt::print("relative Frobenius error by its own probes: {:.2g}\n", *run.estimated_error);
  fmt::print("wrote {}\n", files.out);
}

void run_kernel(const KernelFiles& files) {
  check_writable(files.out, "--out");
  check_writable(files.common.json, "--json");
  const Matrix queries = load_matrix(files.queries, "--queries", false);
  const Matrix keys = load_matrix(files.keys, "--keys", false);
  const Matrix x = load_matrix(files.x, "--x", true);
  const KernelProblem problem{queries.view, keys.view, x.view, files.bandwidth};
  Buffer sums({1, 1, queries.view.length(), x.view.channels()}, DType::f32);
  const auto start = std::chrono::steady_clock::now();
  const KernelReport report = kernel_sums(problem, files.method, {sums.view()}, files.common.run());
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  write_sums(files, sums, x.is_vector);
  const RunRecord run = record(files, problem, report, seconds);
  write_json(files.common.json, to_json(machine_record(files.common.threads), {run}));
  if (!files.common.json_on_stdout()) print_summary(files, run);
}

}  // namespace

void add_kernel(CLI::App& app) {
  auto files = std::make_shared<KernelFiles>();
  CLI::App& command =
      *app.add_subcommand("kernel", "Sums of Gaussian kernels: points in, sums out");
  const auto file = [&](const char* name, std::string& target, const char* help) {
    command.add_option(name, target, help)->type_name("FILE")->required();
  };
  file("--queries", files->queries, "Points (m, D) where the sums are wanted");
  file("--keys", files->keys, "Points (n, D) that the kernels stand at");
  file("--x", files->x, "What each key adds: (n, C) or (n)");
  file("--out", files->out, "Write the sums to this .npy, .npz or .safetensors file");
  command.add_option("--bandwidth", files->bandwidth, "sigma, in the units of the points")
      ->type_name("S")
      ->required();
  command.add_option("--method", files->method, "exact or far(..)")
      ->type_name("SPEC")
      ->capture_default_str();
  add_seed(command, files->common);
  add_threads(command, files->common);
  add_json(command, files->common);
  command.footer(footer);
  command.callback([files] { run_kernel(*files); });
}

}  // namespace subquad::cli
