#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <ctime>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "commands.h"
#include "common_options.h"
#include "contenders.h"
#include "density_picture.h"
#include "matrix_file.h"
#include "messages.h"
#include "number_text.h"
#include "options.h"
#include "outputs.h"
#include "progress.h"
#include "run_record.h"
#include "subquad/density.h"
#include "subquad/error.h"
#include "subquad/io.h"
#include "user_words.h"

namespace subquad::cli {
namespace {

struct KdeOptions {
  CommonOptions common;
  MatrixFile points{"--points", {}, {}}, queries{"--queries", {}, {}};
  std::string bandwidth, out, picture;
  DensityQuery query;
  bool cells = false;
  std::int64_t repeats = 1;

  DensityOptions density() const { return {common.threads, common.seed, cells}; }
};

const char* const kde_footer =
    "D(q) = (1/n) sum_i exp(-|q - p_i|^2 / (2 S^2)) for the rows q of QUERIES (m, D) and p_i of\n"
    "POINTS (n, D): tensor files of f32, bf16, f16 or f64, or .csv files of numbers, whose first\n"
    "line may be a header without numbers. S: a number, D numbers with commas, scott, silverman, "
    "or\n"
    "density=T: the multiple of the columns' deviations at which the mean density is T.\n"
    "--out: .npy of the densities (m), f64; .npz or .safetensors of density, error (half widths)\n"
    "and samples. SPEC: auto, exact, sampled(m=), deann(k=,m=), hbe(..), ckns(..), far(..): see\n"
    "docs/guide/density.md.\n"
    "Example:\n"
    "  subquad kde --points p.npy --queries q.npy --bandwidth scott --rel-error 0.05 --out d.npy";

std::vector<double> numbers_of(const std::string& words) {
  std::vector<double> numbers;
  for (const std::string& word : split_lists({words}))
    numbers.push_back(positive_number(word, "--bandwidth"));
  return numbers;
}

// Standard deviations of the columns: the shape of density=T.
std::vector<double> deviations_of(const TensorView& points) {
  std::vector<double> sigma = density_bandwidth(points, BandwidthRule::scott);
  const auto n = static_cast<double>(points.length()), d = static_cast<double>(points.channels());
  for (double& s : sigma) s /= std::pow(n, -1 / (d + 4));
  return sigma;
}

std::vector<double> bandwidth_of(const KdeOptions& options, const TensorView& points) {
  const std::string& word = options.bandwidth;
  if (word == "scott") return density_bandwidth(points, BandwidthRule::scott);
  if (word == "silverman") return density_bandwidth(points, BandwidthRule::silverman);
  if (!word.starts_with("density=")) return numbers_of(word);
  const double target = positive_number(word.substr(8), "--bandwidth density");
  return bandwidth_for_density(points, deviations_of(points), target, options.density());
}

// What is certain to fail at the end fails at the start.
void check_files(const KdeOptions& options) {
  check_outputs(
      {{"--out", options.out}, {"--json", options.common.json}, {"--picture", options.picture}},
      {{"--points", options.points.path}, {"--queries", options.queries.path}});
  const std::string extension = extension_of({"--out", options.out});
  if (extension != ".npy" && extension != ".npz" && extension != ".safetensors")
    throw_invalid(
        fmt::format("--out {}: the name must end in .npy, .npz or .safetensors", options.out));
  if (!options.picture.empty() && extension_of({"--picture", options.picture}) != ".png")
    throw_invalid(fmt::format("--picture {}: the name must end in .png", options.picture));
}

UserWords words_of(const Matrix& points, const Matrix& queries) {
  return {{"points", points.label},       {"queries", queries.label},
          {"bandwidth", "--bandwidth"},   {"target", "--bandwidth density"},
          {"rel_error", "--rel-error"},   {"mu", "--mu"},
          {"confidence", "--confidence"}, {"method", "--method"}};
}

void check_columns(const Matrix& points, const Matrix& queries, const KdeOptions& options) {
  const std::int64_t columns = points.view.channels();
  if (columns != queries.view.channels())
    throw_invalid(fmt::format("{} and {} differ in columns: {} and {}", points.label, queries.label,
                              columns, queries.view.channels()));
  if (!options.picture.empty() && columns > 2)
    throw_invalid(
        fmt::format("--picture: {} has {} columns, a picture shows 1 or 2", points.label, columns));
  if (points.view.length() == 0) throw_invalid(points.label + ": has no points");
}

void add_densities(const KdeOptions& options, const DensityResult& result, Outputs& outputs) {
  const std::vector<std::int64_t> shape{std::ssize(result.value)};
  std::vector<io::Tensor> tensors{{"density", io::ElementType::f64, shape, result.value.data()},
                                  {"error", io::ElementType::f64, shape, result.error.data()},
                                  {"samples", io::ElementType::i64, shape, result.samples.data()}};
  if (options.out.ends_with(".npy")) tensors.resize(1);
  outputs.add_tensors(options.out, tensors);
}

double mean_of(const std::vector<double>& values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Sizes and times of a run.
struct KdeRun {
  std::vector<double> bandwidth;
  DensityResult result;
  double fit_s = 0;
  std::vector<double> seconds, cpu_s;  // of each repeat; cpu: all threads together
};

nlohmann::ordered_json kde_json(const KdeOptions& options, const Matrix& points,
                                const KdeRun& run) {
  RunRecord record;
  record.method = options.query.method;
  record.input = options.points.path;
  record.path = run.result.report.method;
  record.size.heads = record.size.kv_heads = 1;
  record.size.queries = std::ssize(run.result.value);
  record.size.seq = points.view.length();
  record.size.head_dim = points.view.channels();
  record.size.value_dim = 1;
  record.size.dtype = points.values.dtype;
  record.median_s = median(run.seconds);
  record.repeats = std::ssize(run.seconds);
  record.scored_entries = run.result.report.evaluations;
  nlohmann::ordered_json json = to_json(machine_record(options.common.threads), {record});
  json["runs"][0].update({{"reason", run.result.report.reason},
                          {"bandwidth", run.bandwidth},
                          {"fit_s", run.fit_s},
                          {"cpu_s", run.cpu_s},
                          {"mean_density", mean_of(run.result.value)},
                          {"mean_half_width", mean_of(run.result.error)},
                          {"confidence", options.query.confidence},
                          {"unmet", run.result.report.unmet}});
  return json;
}

void print_kde(const KdeOptions& options, const Matrix& points, const KdeRun& run) {
  const DensityResult& result = run.result;
  fmt::print("{} queries, {} points, D {}, bandwidth {:.4g}\n", result.value.size(),
             points.view.length(), points.view.channels(), fmt::join(run.bandwidth, ", "));
  fmt::print("{} took {} (median of {}; index {})\n", result.report.method,
             seconds_text(median(run.seconds)), run.seconds.size(), seconds_text(run.fit_s));
  if (!result.report.reason.empty()) fmt::print("chosen: {}\n", result.report.reason);
  fmt::print(
      "mean density {:.4g}, mean half width {:.2g} at confidence {}, {} queries above the "
      "error asked for\nwrote {}\n",
      mean_of(result.value), mean_of(result.error), options.query.confidence, result.report.unmet,
      options.out);
}

// The whole picture by the same method, to 2 % at least, a curve exactly: eyes see its steps.
std::string picture_of(const KdeOptions& options, const Matrix& points, const DensityIndex& index,
                       const std::vector<double>& bandwidth) {
  std::vector<float> rows;
  for (std::int64_t i = 0; i < points.view.length(); ++i)
    for (std::int64_t c = 0; c < points.view.channels(); ++c)
      rows.push_back(static_cast<const float*>(points.view.data)[points.view.offset(0, 0, i) + c]);
  const PictureRange range = picture_range(rows, bandwidth);
  if (!options.common.json_on_stdout())
    fmt::print("picture: {} to {}\n", fmt::join(range.low, ", "), fmt::join(range.high, ", "));
  DensityQuery how = options.query;
  how.rel_error = std::min(how.rel_error, 0.02);
  if (index.dim() == 1) how.method = "exact";
  return density_picture(range, [&](const TensorView& at) { return index.query(at, how).value; });
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void run_kde(KdeOptions options) {
  check_files(options);
  const Matrix points = load_points(options.points), queries = load_points(options.queries);
  check_columns(points, queries, options);
  if (!options.picture.empty() && points.view.dtype != DType::f32)
    throw_invalid("--picture: the points must be f32 or f64");
  options.query.threads = options.common.threads;
  Progress progress("kde");
  progress.expect(options.picture.empty() ? 3 : 4);
  Outputs outputs;
  KdeRun run;
  with_user_words(words_of(points, queries), [&] {
    progress.step("bandwidth");
    run.bandwidth = bandwidth_of(options, points.view);
    progress.step("index");
    auto start = std::chrono::steady_clock::now();
    const DensityIndex index = DensityIndex::fit(points.view, run.bandwidth, options.density());
    run.bandwidth = index.bandwidth();
    run.fit_s = seconds_since(start);
    progress.step("densities");
    for (std::int64_t i = 0; i < options.repeats; ++i) {
      start = std::chrono::steady_clock::now();
      const std::clock_t cpu = std::clock();
      run.result = index.query(queries.view, options.query);
      run.seconds.push_back(seconds_since(start));
      run.cpu_s.push_back(static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC);
    }
    if (options.picture.empty()) return;
    progress.step("picture");
    outputs.add_text(options.picture, picture_of(options, points, index, run.bandwidth));
  });
  add_densities(options, run.result, outputs);
  outputs.add_json(options.common.json, kde_json(options, points, run));
  if (!options.common.json_on_stdout()) print_kde(options, points, run);
  outputs.commit();
}

void add_number(const Command& command, const char* name, double& target, const char* help) {
  command
      .add_word(name, help,
                [&target, name](const std::string& word) {
                  target = word == "0" ? 0 : positive_number(word, name);
                })
      .type_name("X")
      .default_str(fmt::format("{}", target));
}

}  // namespace

void add_kde(const Command& app) {
  auto options = std::make_shared<KdeOptions>();
  const Command command = app.add_subcommand("kde", "Kernel densities to a stated error");
  const auto file = [&](const char* name, std::string& target, const char* help) {
    return command.add_option(name, target, help).type_name("FILE");
  };
  file("--points", options->points.path, "Points (n, D) that the kernels stand at").required();
  file("--queries", options->queries.path, "Points (m, D) where densities are wanted").required();
  file("--out", options->out, "Write the densities to this file").required();
  file("--picture", options->picture,
       "Write a picture of the density (D = 1 or 2) to this .png file");
  for (MatrixFile* matrix : {&options->points, &options->queries})
    command
        .add_option(matrix->option + "-name", matrix->name,
                    "The tensor of " + matrix->option + " where its file has several")
        .type_name("NAME");
  command
      .add_option("--bandwidth", options->bandwidth,
                  "sigma: S, S1,..,SD, scott, silverman or density=T")
      .type_name("S")
      .required();
  add_number(command, "--rel-error", options->query.rel_error,
             "Half widths to be at most this times max(density, MU), 0 to 1");
  add_number(command, "--mu", options->query.mu, "Densities below it need no relative error");
  add_number(command, "--confidence", options->query.confidence, "Of each interval");
  command.add_option("--method", options->query.method, "auto, or how")
      .type_name("SPEC")
      .capture_default_str();
  command.add_flag("--normalised", options->query.normalised,
                   "Times (2 pi)^(-D/2) / S^D: the density integrates to 1");
  command.add_flag("--cells", options->cells,
                   "Make deann's cells with the index; auto counts them as there");
  add_whole(command, "--repeats", options->repeats, 1, 1000,
            "Query so often; times are of each, the first with what is made then");
  add_seed(command, options->common);
  add_threads(command, options->common);
  add_json(command, options->common);
  command.footer(kde_footer);
  command.callback([options] { run_kde(*options); });
}

}  // namespace subquad::cli
