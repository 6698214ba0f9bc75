#include <fmt/format.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "commands.h"
#include "common_options.h"
#include "kernel_run.h"
#include "matrix_file.h"
#include "number_text.h"
#include "options.h"
#include "outputs.h"
#include "subquad/error.h"
#include "subquad/spectrum.h"
#include "user_words.h"

namespace subquad::cli {
namespace {

struct SpectrumRun {
  CommonOptions common;
  MatrixFile points{"--points", {}, {}};
  std::string out, method = "exact", solver = "power";
  double bandwidth = 0;
  SpectrumOptions options;
};

const char* const footer =
    "The largest eigenvalues and eigenvectors of K_ij = exp(-|p_i - p_j|^2 / (2 S^2)) for the "
    "rows p of\n"
    "POINTS (n, D). Points are used as they are: standardise first. residual: |K v - theta v| by "
    "SPEC's\n"
    "own products; exact residual: by exact ones; some eigenvalue of K is that near to theta.\n"
    "OUT: values (K), residuals (K), vectors (n, K); a .npy file holds the vectors alone.\n"
    "SPEC and how to choose: docs/guide/spectrum.md.\n"
    "Example:\n"
    "  subquad spectrum --points p.npy --bandwidth 1.5 --top 10 --method far --exact-residuals "
    "--out e.npz";

void add_pairs(const SpectrumRun& run, const Spectrum& spectrum, Outputs& outputs) {
  const auto count = static_cast<std::int64_t>(spectrum.values.size());
  const io::Tensor vectors{
      "vectors", io::ElementType::f32, {spectrum.size, count}, spectrum.vectors.data()};
  const std::array all{
      io::Tensor{"values", io::ElementType::f64, {count}, spectrum.values.data()},
      io::Tensor{"residuals", io::ElementType::f64, {count}, spectrum.residuals.data()}, vectors};
  if (run.out.ends_with(".npy"))
    outputs.add_tensors(run.out, std::array{vectors});
  else
    outputs.add_tensors(run.out, all);
}

nlohmann::ordered_json spectrum_json(const SpectrumRun& run, const KernelRunRecord& record,
                                     const Spectrum& spectrum) {
  nlohmann::ordered_json json = kernel_run_json(run.common.threads, record);
  auto& fields = json["runs"][0];
  fields["solver"] = run.solver;
  fields["eigenvalues"] = spectrum.values;
  fields["residuals"] = spectrum.residuals;
  fields["exact_residuals"] = spectrum.exact_residuals;
  fields["exact_values"] = spectrum.exact_values;
  fields["converged"] = spectrum.converged;
  fields["iterations"] = spectrum.iterations;
  fields["products"] = spectrum.products;
  fields["trace"] = spectrum.size;
  return json;
}

void print_spectrum(const KernelRunRecord& record, const Spectrum& spectrum) {
  const bool exact = !spectrum.exact_residuals.empty();
  fmt::print("{:>4} {:>14} {:>9} {:>10}{}\n", "", "eigenvalue", "of trace", "residual",
             exact ? " exact residual" : "");
  for (std::size_t i = 0; i < spectrum.values.size(); ++i) {
    const double share = spectrum.values[i] / static_cast<double>(spectrum.size);
    fmt::print("{:>4} {:>14.6g} {:>9} {:>10.2g}", i + 1, spectrum.values[i], percent_text(share),
               spectrum.residuals[i]);
    if (exact) fmt::print(" {:>14.2g}", spectrum.exact_residuals[i]);
    fmt::print("\n");
  }
  fmt::print("{}\n{}, {} iterations, {} columns multiplied\n", kernel_run_text(record),
             spectrum.converged ? "converged" : "not converged", spectrum.iterations,
             spectrum.products);
}

void check_spectrum_out(const SpectrumRun& run) {
  check_outputs({{"--out", run.out}, {"--json", run.common.json}}, {{"--points", run.points.path}});
  if (!run.out.empty()) check_tensor_extension({"--out", run.out});
}

void run_spectrum(SpectrumRun run) {
  check_spectrum_out(run);
  if (run.solver != "power" && run.solver != "spectra")
    throw_invalid(fmt::format("--solver {}: must be power or spectra", run.solver));
  run.options.solver = run.solver == "power" ? EigenSolver::power : EigenSolver::spectra;
  run.options.seed = run.common.seed;
  const Matrix points = load_matrix(run.points, false);
  const UserWords words{{"points", points.label},
                        {"bandwidth", "--bandwidth"},
                        {"count", "--top"},
                        {"oversample", "--oversample"}};
  const auto start = std::chrono::steady_clock::now();
  const Spectrum spectrum = with_user_words(words, [&] {
    return top_eigenpairs(KernelOperator(points.view, run.bandwidth, run.method, run.common.run()),
                          run.options);
  });
  const KernelRunRecord record = {run.method,
                                  run.points.path,
                                  spectrum.path,
                                  points.view.length(),
                                  points.view.channels(),
                                  seconds_since(start),
                                  converted_of({{"--points", points}})};
  Outputs outputs;
  if (!run.out.empty()) add_pairs(run, spectrum, outputs);
  outputs.add_json(run.common.json, spectrum_json(run, record, spectrum));
  note_converted(record.converted);
  if (!run.common.json_on_stdout()) print_spectrum(record, spectrum);
  outputs.commit();
}

void add_solver(const Command& command, SpectrumRun& run) {
  command
      .add_option("--solver", run.solver, "power: subspace iteration; spectra: restarted Lanczos")
      .type_name("WORD")
      .capture_default_str();
  add_positive(command, "--tolerance", run.options.tolerance,
               "Converged: every residual at most this times the largest eigenvalue")
      .type_name("X")
      .default_str(fmt::format("{}", run.options.tolerance));
  add_whole(command, "--max-iterations", run.options.max_iterations, 1, 100000,
            "power: products of the block; spectra: restarts");
  add_whole(command, "--oversample", run.options.oversample, -1, 256,
            "power: vectors beside those wanted; -1: half of K, 4 at least");
  command.add_flag("--exact-residuals", run.options.exact_residuals,
                   "Residuals by exact products too: one more, n^2");
}

}  // namespace

void add_spectrum(const Command& app) {
  auto run = std::make_shared<SpectrumRun>();
  const Command command =
      app.add_subcommand("spectrum", "Largest eigenvalues of a Gaussian kernel matrix");
  add_points(command, run->points, run->bandwidth, run->method);
  add_whole(command, "--top", run->options.count, 1, 256, "How many eigenpairs").type_name("K");
  command
      .add_option("--out", run->out,
                  "Write values, residuals and vectors to this .npz or .safetensors file")
      .type_name("FILE");
  add_solver(command, *run);
  add_seed(command, run->common);
  add_threads(command, run->common);
  add_json(command, run->common);
  command.footer(footer);
  command.callback([run] { run_spectrum(*run); });
}

}  // namespace subquad::cli
