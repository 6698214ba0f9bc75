#include <fmt/format.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "buffer.h"
#include "commands.h"
#include "common_options.h"
#include "kernel_run.h"
#include "matrix_file.h"
#include "number_text.h"
#include "options.h"
#include "outputs.h"
#include "subquad/kernel_solve.h"
#include "user_words.h"

namespace subquad::cli {
namespace {

struct SolveRun {
  CommonOptions common;
  MatrixFile points{"--points", {}, {}}, rhs{"--rhs", {}, {}};
  std::string out, method = "exact";
  double bandwidth = 0;
  std::int64_t deflate = 0;
  SolveOptions options;
};

const char* const footer =
    "X of (K + L I) X = B, K_ij = exp(-|p_i - p_j|^2 / (2 S^2)) for the rows p of POINTS (n, D), "
    "B (n, C)\n"
    "or (n): the coefficients of kernel ridge regression; `subquad kernel --queries NEW --keys "
    "POINTS\n"
    "--x X` predicts. By conjugate gradients with SPEC's products; what their error leaves in X is "
    "the\n"
    "residual, which is computed anew; with --exact-residual by exact ones. "
    "docs/guide/spectrum.md.\n"
    "Example:\n"
    "  subquad solve --points p.npy --rhs y.npy --bandwidth 1.5 --ridge 0.1 --method far "
    "--deflate 50 --out x.npy";

SolveReport solve(const SolveRun& run, const Matrix& points, const Matrix& rhs, Buffer& x) {
  const UserWords words{{"points", points.label},     {"rhs", rhs.label},
                        {"bandwidth", "--bandwidth"}, {"ridge", "--ridge"},
                        {"count", "--deflate"},       {"tolerance", "--tolerance"}};
  return with_user_words(words, [&] {
    const KernelOperator kernel(points.view, run.bandwidth, run.method, run.common.run());
    SolveOptions options = run.options;
    std::optional<Spectrum> pairs;
    if (run.deflate > 0) {
      // A preconditioner need not be accurate: a few products do.
      pairs = top_eigenpairs(kernel,
                             {.count = run.deflate, .max_iterations = 3, .seed = run.common.seed});
      options.deflation = &*pairs;
    }
    return solve_kernel(kernel, rhs.view, x.view(), options);
  });
}

nlohmann::ordered_json solve_json(const SolveRun& run, const KernelRunRecord& record,
                                  const SolveReport& report) {
  nlohmann::ordered_json json = kernel_run_json(run.common.threads, record);
  auto& fields = json["runs"][0];
  fields["ridge"] = run.options.ridge;
  fields["iterations"] = report.iterations;
  fields["converged"] = report.converged;
  fields["recursion"] = report.recursion;
  fields["residual"] = report.residual;
  fields["residual_by"] = run.options.exact_residual ? "exact" : record.path;
  fields["rounds"] = report.rounds;
  fields["indefinite"] = report.indefinite;
  return json;
}

void print_solve(const SolveRun& run, const KernelRunRecord& record, const SolveReport& report) {
  fmt::print("{}\n{}, {} iterations in {} rounds; |b - (K + {} I) x| / |b| by {}: {:.2g}\n",
             kernel_run_text(record), report.converged ? "converged" : "not converged",
             report.iterations, report.rounds, run.options.ridge,
             run.options.exact_residual ? "exact" : record.path, report.residual);
  if (report.indefinite > 0)
    fmt::print("{} columns stopped: the products are not positive definite, too far from K\n",
               report.indefinite);
  fmt::print("wrote {}\n", run.out);
}

void add_solution(const SolveRun& run, const Buffer& x, bool is_vector, Outputs& outputs) {
  std::vector<std::int64_t> shape{x.view().length()};
  if (!is_vector) shape.push_back(x.view().channels());
  const std::array tensors{io::Tensor{"x", io::ElementType::f32, shape, x.view().data}};
  outputs.add_tensors(run.out, tensors);
}

void run_solve(const SolveRun& run) {
  check_outputs({{"--out", run.out}, {"--json", run.common.json}},
                {{"--points", run.points.path}, {"--rhs", run.rhs.path}});
  check_tensor_extension({"--out", run.out});
  const Matrix points = load_matrix(run.points, false), rhs = load_matrix(run.rhs, true);
  check_same_rows(rhs, points);
  Buffer x(rhs.view.shape, DType::f32);
  const auto start = std::chrono::steady_clock::now();
  const SolveReport report = solve(run, points, rhs, x);
  const KernelRunRecord record = {run.method,
                                  run.points.path,
                                  report.path,
                                  points.view.length(),
                                  points.view.channels(),
                                  seconds_since(start),
                                  converted_of({{"--points", points}, {"--rhs", rhs}})};
  Outputs outputs;
  add_solution(run, x, rhs.is_vector, outputs);
  outputs.add_json(run.common.json, solve_json(run, record, report));
  note_converted(record.converted);
  if (!run.common.json_on_stdout()) print_solve(run, record, report);
  outputs.commit();
  if (!report.converged)
    throw_failed(
        fmt::format("--tolerance: X leaves a residual of {:.2g}, above {:.2g}: a larger "
                    "--ridge or more --max-iterations may help",
                    report.residual, run.options.tolerance));
}

void add_system(const Command& command, SolveRun& run) {
  command.add_option("--rhs", run.rhs.path, "Right-hand sides (n, C) or (n)")
      .type_name("FILE")
      .required();
  command.add_option("--rhs-name", run.rhs.name, "The tensor of --rhs where its file has several")
      .type_name("NAME");
  command.add_option("--out", run.out, "Write X to this .npy, .npz or .safetensors file")
      .type_name("FILE")
      .required();
  add_positive(command, "--ridge", run.options.ridge, "L, added to the diagonal (K has ones there)")
      .type_name("L")
      .required();
  add_positive(command, "--tolerance", run.options.tolerance,
               "Stop where the residual is this part of |B|, column by column")
      .type_name("X")
      .default_str(fmt::format("{}", run.options.tolerance));
  add_whole(command, "--max-iterations", run.options.max_iterations, 1, 100000,
            "Products of the block at most");
  add_whole(command, "--deflate", run.deflate, 0, 256,
            "Eigenvectors that a preconditioner is made of; 0: none");
  command.add_flag("--exact-residual", run.options.exact_residual,
                   "Judge and correct X by exact products, one a round, n^2");
}

}  // namespace

void add_solve(const Command& app) {
  auto run = std::make_shared<SolveRun>();
  const Command command =
      app.add_subcommand("solve", "Linear systems with a Gaussian kernel matrix and a ridge");
  add_points(command, run->points, run->bandwidth, run->method);
  add_system(command, *run);
  add_seed(command, run->common);
  add_threads(command, run->common);
  add_json(command, run->common);
  command.footer(footer);
  command.callback([run] { run_solve(*run); });
}

}  // namespace subquad::cli
