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
#include "kernel_run.h"
#include "matrix_file.h"
#include "number_text.h"
#include "options.h"
#include "outputs.h"
#include "run_record.h"
#include "subquad/error.h"
#include "subquad/io.h"
#include "subquad/kernel_sums.h"
#include "user_words.h"

namespace subquad::cli {
namespace {

struct KernelFiles {
  CommonOptions common;
  MatrixFile queries{"--queries", {}, {}}, keys{"--keys", {}, {}}, x{"--x", {}, {}};
  std::string out, method = "exact";
  std::vector<double> bandwidths;
  bool log = false;
};

const char* const footer =
    "y_i = sum_k exp(-|q_i - k|^2 / (2 S^2)) x_k for the rows q_i of QUERIES (m, D), k of KEYS (n, "
    "D)\n"
    "and x_k of X (n, C) or (n), of f32, bf16, f16, or f64, which is converted to f32. Y is f32, "
    "(m, "
    "C)\n"
    "or (m). Points are used as they are: standardise first, or give a bandwidth for each of the "
    "D\n"
    "columns. SPEC is exact, far(clusters=, error=, ..), boxes(error=, floor=) or kmv(eps=, ..): "
    "see\n"
    "docs/guide/kernel_sums.md.\n"
    "Example:\n"
    "  subquad kernel --queries p.npy --keys p.npy --x x.npy --bandwidth 1.5 --method "
    "\"far(error=0.01)\" --out y.npy";

struct Matrices {
  Matrix queries, keys, x;

  KernelProblem problem(const std::vector<double>& bandwidths) const {
    if (bandwidths.size() == 1) return {queries.view, keys.view, x.view, bandwidths.front()};
    return {queries.view, keys.view, x.view, 0, bandwidths};
  }
  UserWords words() const {
    return {{"query", queries.label},
            {"key", keys.label},
            {"value", x.label},
            {"bandwidth", "--bandwidth"},
            {"bandwidths", "--bandwidth"}};
  }
};

Matrices load_all(const KernelFiles& files) {
  Matrices all{load_matrix(files.queries, false), load_matrix(files.keys, false),
               load_matrix(files.x, true)};
  // The library would call them query, key and value.
  check_same_columns(all.queries, all.keys);
  check_same_rows(all.x, all.keys);
  return all;
}

void add_sums(const KernelFiles& files, const Buffer& sums, bool is_vector, Outputs& outputs) {
  const TensorView view = sums.view();
  std::vector<std::int64_t> shape{view.length()};
  if (!is_vector) shape.push_back(view.channels());
  const std::array tensors{io::Tensor{"y", io::ElementType::f32, shape, view.data}};
  outputs.add_tensors(files.out, tensors);
}

RunRecord record(const KernelFiles& files, const KernelProblem& problem, const KernelReport& report,
                 double seconds) {
  RunRecord run;
  run.method = files.method;
  run.input = files.keys.path;
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
  if (!std::isnan(report.error_bound)) run.error_bound = report.error_bound;
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
  if (run.error_bound && *run.error_bound > 0)
    fmt::print("off by at most {:.2g} of sum_k w_k |x_k| (or of the floor), and rounding\n",
               *run.error_bound);
  fmt::print("wrote {}\n", files.out);
}

std::vector<FileArgument> inputs_of(const KernelFiles& files) {
  std::vector<FileArgument> inputs;
  for (const MatrixFile& file : {files.queries, files.keys, files.x})
    inputs.push_back({file.option, file.path});
  return inputs;
}

// What is certain to fail at the end fails at the start.
void check_out(const KernelFiles& files) {
  check_outputs({{"--out", files.out}, {"--json", files.common.json}}, inputs_of(files));
  check_tensor_extension({"--out", files.out});
}

void run_kernel(const KernelFiles& files) {
  check_out(files);
  if (files.log && files.method != "exact")
    throw_invalid(fmt::format("--log: needs --method exact, not {}", files.method));
  const Matrices all = load_all(files);
  const KernelProblem problem = all.problem(files.bandwidths);
  Buffer sums({1, 1, problem.query.length(), problem.value.channels()}, DType::f32);
  const auto start = std::chrono::steady_clock::now();
  const KernelReport report = with_user_words(all.words(), [&] {
    if (files.log) return kernel_log_sums(problem, {sums.view()}, files.common.run());
    return kernel_sums(problem, files.method, {sums.view()}, files.common.run());
  });
  const double seconds = seconds_since(start);
  RunRecord run = record(files, problem, report, seconds);
  run.converted = converted_of({{"--queries", all.queries}, {"--keys", all.keys}, {"--x", all.x}});
  Outputs outputs;
  add_sums(files, sums, all.x.is_vector, outputs);
  outputs.add_json(files.common.json, to_json(machine_record(files.common.threads), {run}));
  note_converted(run.converted);
  if (!files.common.json_on_stdout()) print_summary(files, run);
  outputs.commit();
}

}  // namespace

void add_kernel(const Command& app) {
  auto files = std::make_shared<KernelFiles>();
  const Command command =
      app.add_subcommand("kernel", "Sums of Gaussian kernels: points in, sums out");
  const auto file = [&](const char* name, std::string& target, const char* help) {
    command.add_option(name, target, help).type_name("FILE").required();
  };
  file("--queries", files->queries.path, "Points (m, D) where the sums are wanted");
  file("--keys", files->keys.path, "Points (n, D) that the kernels stand at");
  file("--x", files->x.path, "What each key adds: (n, C) or (n)");
  file("--out", files->out, "Write the sums to this .npy, .npz or .safetensors file");
  add_positive_list(command, "--bandwidth", files->bandwidths,
                    "sigma, in the units of the points; or one for each column of them")
      .required();
  command.add_flag("--log", files->log,
                   "Write log y, which underflows at no distance; X of 0 or more, exact alone");
  for (MatrixFile* matrix : {&files->queries, &files->keys, &files->x})
    command
        .add_option(matrix->option + "-name", matrix->name,
                    "The tensor of " + matrix->option + " where its file has several")
        .type_name("NAME");
  command.add_option("--method", files->method, "exact, far(..), boxes(..) or kmv(..)")
      .type_name("SPEC")
      .capture_default_str();
  add_seed(command, files->common);
  add_threads(command, files->common);
  add_json(command, files->common);
  command.footer(footer);
  command.callback([files] { run_kernel(*files); });
}

}  // namespace subquad::cli
