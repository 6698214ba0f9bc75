#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "bench_case.h"
#include "bench_shapes.h"
#include "commands.h"
#include "common_options.h"
#include "options.h"
#include "outputs.h"
#include "subquad/error.h"
#include "text_table.h"

namespace subquad::cli {
namespace {

struct BenchOptions {
  CommonOptions common;
  ShapeOptions shape;
  BenchSettings settings;
  std::string input = "gaussian", problem_file;
  bool no_errors = false;
};

const char* const examples =
    "Examples:\n"
    "  subquad bench attention --seq 4096,8192 --head-dim 64 --heads 8\n"
    "  subquad bench attention --method \"uniform(m=512)\" --seq 131072 --heads 4 --exact-rows "
    "2048\n"
    "  subquad bench attention --pass backward --seq 4096 --causal top_left --threads 1\n"
    "  subquad bench attention --pass both --seq 32768 --heads 1 --method "
    "\"sortlsh+uniform\"\n"
    "  subquad bench attention --pass decode --seq 131072 --heads 8 --kv-heads 2 --dtype bf16\n"
    "  subquad bench attention --problem shapes.json --json -\n"
    "shapes.json: [{\"seq\": [4096, 8192], \"heads\": 8, \"head_dim\": 64, \"pass\": \"forward\"}, "
    "..]; keys\n"
    "batch, heads, kv_heads, queries, seq, head_dim, value_dim, dtype, pass, causal.\n"
    "Exact is always run. Its GFLOP/s count 4 n^2 d forward (half when causal), 10 n^2 d backward, "
    "14\n"
    "n^2 d for both; the limit is this machine's multiply-add rate, or its read rate when "
    "decoding, "
    "from\n"
    "the same run. speed-up: `= exact` ran exact's own code, `~` is within the noise.\n\n";

std::vector<ProblemSize> sizes_of(const BenchOptions& options) {
  ShapeOptions shape = options.shape;
  if (!options.common.layer.causal.empty()) shape.causal = options.common.layer.causal;
  if (!options.problem_file.empty()) return read_problem_file(options.problem_file, shape);
  return resolve(shape);
}

Layer load_for_bench(const BenchOptions& options, Pass pass) {
  Layer layer = load_layer(options.input, options.common.layer);
  if (pass != Pass::decode) return layer;
  const std::int64_t queries = std::max<std::int64_t>(options.shape.queries, 1);
  if (queries > 16) throw_invalid("--queries: decoding takes 1 to 16");
  keep_last_queries(layer, queries);
  return layer;
}

void run_layer(const Layer& layer, Pass pass, const BenchSettings& settings,
               std::vector<BenchResult>& results) {
  Progress progress("bench");
  results.push_back(run_bench_case(layer, pass, settings, progress));
}

std::vector<BenchResult> run_all(const BenchOptions& options) {
  BenchSettings settings = options.settings;
  settings.run = options.common.run();
  settings.errors = !options.no_errors;
  std::vector<BenchResult> results;
  if (options.input != "gaussian") {
    const Pass pass = parse_pass(options.shape.pass, "--pass");
    const Layer layer = load_for_bench(options, pass);
    run_layer(layer, pass, settings, results);
    note_conversions({&layer, 1});
    return results;
  }
  for (const ProblemSize& size : sizes_of(options)) {
    Layer layer = gaussian_layer(size, options.common.seed);
    run_layer(layer, size.pass, settings, results);
  }
  return results;
}

Number highest_of(const std::vector<BenchResult>& results, Number BenchResult::*rate) {
  std::vector<double> values;
  for (const BenchResult& result : results) {
    if (result.*rate) values.push_back(*(result.*rate));
  }
  return values.empty() ? Number() : Number(highest(values));
}

std::vector<FileArgument> inputs_of(const BenchOptions& options) {
  std::vector<FileArgument> inputs{{"--problem", options.problem_file}};
  if (options.input != "gaussian") inputs.push_back({"--input", options.input});
  return inputs;
}

void run_bench(const BenchOptions& options) {
  check_outputs({{"--json", options.common.json}}, inputs_of(options));
  const std::vector<BenchResult> results = run_all(options);
  MachineRecord machine = machine_record(options.common.threads);
  machine.fma_gflops = highest_of(results, &BenchResult::fma_gflops);
  machine.read_gbps = highest_of(results, &BenchResult::read_gbps);
  std::vector<RunRecord> runs;
  for (const BenchResult& result : results) {
    runs.insert(runs.end(), result.runs.begin(), result.runs.end());
  }
  Outputs outputs;
  outputs.add_json(options.common.json, to_json(machine, runs));
  if (!options.common.json_on_stdout()) fmt::print("{}", bench_text(runs, machine));
  outputs.commit();
}

// 0 is "not given" here, and no size.
void add_size(const Command& command, const char* name, std::int64_t& target, const char* help) {
  add_whole(command, name, target, 1, kMostPositions, help).default_str("");
}

void add_shape(const Command& command, BenchOptions& options) {
  ShapeOptions& shape = options.shape;
  const Option input = command.add_option("--input", options.input,
                                          "`gaussian`, or a safetensors or npz file with q, k, v");
  input.type_name("FILE").capture_default_str();
  const Option problem =
      command.add_option("--problem", options.problem_file, "A JSON list of shapes");
  problem.type_name("FILE").excludes(input);
  add_whole_list(command, "--seq", shape.seq, 1, kMostPositions,
                 "Keys a head; several lengths with commas")
      .allow_extra_args(true)
      .excludes(problem);
  add_size(command, "--queries", shape.queries,
           "Query rows a head; default: as many as keys, 1 when decoding (1 to 16)");
  add_size(command, "--batch", shape.batch, "Batch elements (1)");
  add_size(command, "--heads", shape.heads, "Query heads (8)");
  add_size(command, "--kv-heads", shape.kv_heads, "Key and value heads; default: --heads");
  add_size(command, "--head-dim", shape.head_dim, "Channels of queries and keys (64)");
  add_size(command, "--value-dim", shape.value_dim, "Channels of values; default: --head-dim");
  command.add_option("--dtype", shape.dtype, "f32 | bf16 | f16: storage of q, k, v (f32)")
      .type_name("WORD");
  command.add_option("--pass", shape.pass, "forward | backward | both | decode (forward)")
      .type_name("WORD");
}

void add_settings(const Command& command, BenchOptions& options) {
  command.add_option("--method", options.settings.methods, "Methods beside exact")
      .type_name("SPEC");
  add_whole(command, "--exact-rows", options.settings.exact_rows, 0, kMostPositions,
            "Run exact on N query rows a head only and scale its time up");
  add_whole(command, "--repeats", options.settings.repeats, 0, 10000,
            "Timed rounds; 0 fits as many as a few seconds allow");
  command.add_flag("--no-errors", options.no_errors, "Measure time only");
}

// A file brings its own shape: --seq and its like beside it would be ignored.
void reject_shape_with_file(const Command& command, const BenchOptions& options) {
  if (options.input == "gaussian") return;
  for (const char* name :
       {"--seq", "--batch", "--heads", "--kv-heads", "--head-dim", "--value-dim", "--dtype"}) {
    if (command.count(name) > 0) {
      throw_invalid(fmt::format("{}: the file given with --input decides it", name));
    }
  }
}

}  // namespace

void add_bench(const Command& app) {
  auto options = std::make_shared<BenchOptions>();
  const Command bench = app.add_subcommand("bench", "Speed on synthetic shapes or on a file");
  bench.require_subcommand();
  const Command command = bench.add_subcommand(
      "attention", "Exact attention and methods against the machine's measured limit");
  add_settings(command, *options);
  add_shape(command, *options);
  add_causal(command, options->common);
  add_tensor_names(command, options->common);
  add_seed(command, options->common);
  add_threads(command, options->common);
  add_json(command, options->common);
  command.footer(std::string(examples) + spec_help);
  command.callback([options, command] {
    reject_shape_with_file(command, *options);
    run_bench(*options);
  });
}

}  // namespace subquad::cli
