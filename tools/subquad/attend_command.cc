#include <fmt/format.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>

#include "buffer.h"
#include "certificate_text.h"
#include "commands.h"
#include "common_options.h"
#include "given_file.h"
#include "names.h"
#include "number_text.h"
#include "outputs.h"
#include "progress.h"
#include "run_record.h"
#include "subquad/error.h"
#include "subquad/info.h"
#include "subquad/io.h"
#include "text_table.h"

namespace subquad::cli {
namespace {

struct AttendOptions {
  CommonOptions common;
  std::string input, out, out_dtype, method = "exact";
};

struct Results {
  Buffer out, lse;
  Report report;
  double seconds = 0;
  std::optional<Certificate> certificate;
};

const char* const examples =
    "Examples:\n"
    "  subquad attend layer.safetensors --out result.safetensors\n"
    "  subquad attend layer.npz --method \"window(512)+uniform(m=256)\" --causal top_left --out "
    "r.npz\n"
    "OUT holds `out` (batch, heads, n, d), or (heads, n, d) when q has three dimensions, and "
    "`lse`, the\n"
    "log-sum-exp of each row's scores, f32. Nothing is written when anything fails or a signal "
    "comes.\n\n";

// What is certain to fail at the end fails at the start.
void check_out(const AttendOptions& options, DType dtype) {
  if (options.out.empty()) return;
  const std::string extension = extension_of({"--out", options.out});
  const bool npz = extension == ".npz";
  if (!npz && extension != ".safetensors") {
    throw_invalid(fmt::format("--out {}: the name must end in .safetensors or .npz", options.out));
  }
  if (npz && dtype == DType::bf16) {
    throw_invalid(fmt::format("--out {}: npz cannot hold bf16; use .safetensors or --out-dtype f32",
                              options.out));
  }
}

Results compute(const Layer& layer, const GivenFiles& given, const AttendOptions& options,
                DType dtype) {
  Shape4 shape = layer.problem.query.shape;
  Shape4 row_shape = shape;
  shape[3] = layer.problem.value.channels();
  row_shape[3] = 1;
  Results results{Buffer(shape, dtype), Buffer(row_shape, DType::f32), {}, 0, {}};
  Progress progress("attend");
  progress.expect(options.common.certify > 0 ? 2 : 1);
  progress.step(options.method);
  Options run = options.common.run();
  run.given = given.masks;
  const auto start = std::chrono::steady_clock::now();
  results.report =
      attend(layer.problem, options.method, {results.out.view(), results.lse.view(), {}}, run);
  results.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (options.common.certify > 0) progress.step("certificate");
  results.certificate = certificate_of(layer.problem, results.out, options.common.certify, run);
  return results;
}

io::ElementType element_type(DType dtype) {
  if (dtype == DType::f32) return io::ElementType::f32;
  return dtype == DType::bf16 ? io::ElementType::bf16 : io::ElementType::f16;
}

// The rank of the input comes back: a batch that was not there is not written.
io::Tensor tensor_of(const std::string& name, const TensorView& view, std::size_t drop_back,
                     bool batched) {
  io::Tensor tensor;
  tensor.name = name;
  tensor.type = element_type(view.dtype);
  tensor.shape.assign(view.shape.begin() + (batched ? 0 : 1),
                      view.shape.end() - static_cast<std::ptrdiff_t>(drop_back));
  tensor.data = view.data;
  return tensor;
}

using Metadata = std::map<std::string, std::string>;

Metadata metadata_of(const AttendOptions& options, const Layer& layer, const Results& results) {
  return {{"method", options.method},
          {"path", results.report.path},
          {"scale", fmt::format("{}", resolved_scale(layer.problem))},
          {"causal", causal_name(layer.problem.causal)},
          {"seed", fmt::format("{}", options.common.seed)}};
}

void add_out(const AttendOptions& options, const Layer& layer, const Results& results,
             Outputs& outputs) {
  const std::array tensors{tensor_of("out", results.out.view(), 0, layer.batched),
                           tensor_of("lse", results.lse.view(), 1, layer.batched)};
  // An npz archive has no place for metadata.
  const bool npz = options.out.ends_with(".npz");
  outputs.add_tensors(options.out, tensors,
                      npz ? Metadata() : metadata_of(options, layer, results));
}

RunRecord record(const AttendOptions& options, const Layer& layer, const Results& results) {
  RunRecord run;
  run.method = options.method;
  run.input = options.input;
  run.size = size_of(layer.problem, Pass::forward);
  run.median_s = results.seconds;
  run.repeats = 1;
  add_report(run, results.report);
  if (results.certificate) run.certificate = results.certificate;
  run.converted = layer.converted;
  return run;
}

void print_summary(const RunRecord& run, const std::string& out) {
  fmt::print("{}: {}\n{} [{}] took {} (a single, cold run), {} extra memory, {} fallback rows\n",
             run.input, size_text(run.size), run.method, run.path, seconds_text(run.median_s),
             bytes_text(run.peak_extra_bytes), *run.fallback_rows);
  if (run.estimated_error)
    fmt::print("relative Frobenius error by its own probes or bound: {:.2g}\n",
               *run.estimated_error);
  if (run.certificate) fmt::print("{}\n", certificate_text(*run.certificate));
  if (!out.empty()) fmt::print("wrote {}\n", out);
}

std::vector<FileArgument> inputs_of(const AttendOptions& options) {
  std::vector<FileArgument> inputs{{"INPUT", options.input}};
  for (const std::string& path : options.common.given) inputs.push_back({"--given", path});
  return inputs;
}

void run_attend(const AttendOptions& options) {
  check_outputs({{"--out", options.out}, {"--json", options.common.json}}, inputs_of(options));
  const Layer layer = load_layer(options.input, options.common.layer);
  const GivenFiles given = load_given(options.common.given, {&options.method, 1});
  const DType dtype = options.out_dtype.empty() ? layer.problem.query.dtype
                                                : parse_dtype(options.out_dtype, "--out-dtype");
  check_out(options, dtype);
  const Results results =
      with_given_words(given, [&] { return compute(layer, given, options, dtype); });
  const RunRecord run = record(options, layer, results);
  Outputs outputs;
  add_out(options, layer, results, outputs);
  outputs.add_json(options.common.json, to_json(machine_record(options.common.threads), {run}));
  note_conversions({&layer, 1});
  if (!options.common.json_on_stdout()) print_summary(run, options.out);
  outputs.commit();
}

}  // namespace

void add_attend(const Command& app) {
  auto options = std::make_shared<AttendOptions>();
  const Command command =
      app.add_subcommand("attend", "Attention of one layer: tensors in, tensors out");
  command.add_option("INPUT", options->input, "safetensors or npz file with tensors q, k, v")
      .required();
  command.add_option("--method", options->method, "The method")
      .type_name("SPEC")
      .capture_default_str();
  command
      .add_option("--out", options->out, "Write `out` and `lse` to this .safetensors or .npz file")
      .type_name("OUT");
  command.add_option("--out-dtype", options->out_dtype, "f32 | bf16 | f16; default: that of q")
      .type_name("WORD");
  add_causal(command, options->common);
  add_scale(command, options->common);
  add_tensor_names(command, options->common);
  add_given(command, options->common);
  add_certify(command, options->common);
  add_seed(command, options->common);
  add_threads(command, options->common);
  add_json(command, options->common);
  command.footer(std::string(examples) + spec_help);
  command.callback([options] { run_attend(*options); });
}

}  // namespace subquad::cli
