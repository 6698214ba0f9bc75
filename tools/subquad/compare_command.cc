#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "commands.h"
#include "common_options.h"
#include "comparison.h"
#include "contenders.h"
#include "given_file.h"
#include "html_report.h"
#include "options.h"
#include "outputs.h"
#include "standard_output.h"
#include "subquad/error.h"
#include "text_table.h"
#include "user_words.h"

namespace subquad::cli {
namespace {

struct CompareOptions {
  CommonOptions common;
  CompareSettings settings;
  std::vector<std::string> inputs;
  std::string html;
  std::string command_line;
  bool per_head = false;
  bool no_operator_norm = false;
};

const std::vector<std::string> default_methods{"sortlsh(block=256)+uniform(m=256)",
                                               "hyper",
                                               "uniform(m=512)",
                                               "uniform(m=2048)",
                                               "sink(4)+window(256)",
                                               "sink(4)+window(256)+prefix(m=512)",
                                               "far"};

const char* const examples =
    "Examples:\n"
    "  subquad compare layer.safetensors\n"
    "  subquad compare a.safetensors b.safetensors --method \"window(512)\" --method "
    "\"uniform(m=1024)\"\n"
    "  subquad compare layer.npz --causal bottom_right --per-head --json report.json --html "
    "report.html\n"
    "Columns: rel Fro = |approx - exact|_F / |exact|_F; max/|V| = largest error over the largest "
    "|V|;\n"
    "op rel = |approx - exact|_op / (|softmax|_op |V|_op); rows>x = share of query rows whose "
    "relative\n"
    "error is above x. Times are medians of rounds in which exact and every method take turns; "
    "spread:\n"
    "slowest less fastest round over the median (from 8 rounds on the middle half of them).\n"
    "speed-up: `= exact` ran exact's own code, `~` is within the noise (the spreads overlap).\n\n";

void run_compare(const CompareOptions& options);

void add_settings(const Command& command, CompareOptions& options) {
  add_whole(command, "--repeats", options.settings.repeats, 0, 10000,
            "Timed rounds for each input; 0 fits as many as a few seconds allow");
  add_whole(command, "--seeds", options.settings.seeds, 1, 1000,
            "Errors are medians over this many seeds, counted up from --seed");
  command.add_flag("--no-operator-norm", options.no_operator_norm,
                   "Leave out op rel, the metric that takes longest");
  command.add_flag("--per-head", options.per_head, "A row for each head in the table");
  command.add_option("--html", options.html, "Write a page with a picture for each input to FILE")
      .type_name("FILE");
}

std::vector<Layer> load_all(const CompareOptions& options) {
  std::vector<Layer> layers;
  for (const std::string& input : options.inputs) {
    layers.push_back(load_layer(input, options.common.layer));
  }
  return layers;
}

std::vector<Comparison> compare_all(const std::vector<Layer>& layers, const GivenFiles& given,
                                    const CompareOptions& options) {
  CompareSettings settings = options.settings;
  settings.run = options.common.run();
  settings.run.given = given.masks;
  settings.operator_norm = !options.no_operator_norm;
  settings.certify = options.common.certify;
  if (settings.methods.empty()) settings.methods = default_methods;
  std::vector<Comparison> comparisons;
  for (const Layer& layer : layers) {
    with_file(layer.input, [&] {
      with_given_words(given, [&] {
        Progress progress("compare");
        comparisons.push_back(compare_layer(layer, settings, progress));
      });
    });
    if (options.common.json_on_stdout()) continue;
    fmt::print("{}\n", comparison_text(comparisons.back(), options.per_head));
    flush_stdout();
  }
  return comparisons;
}

MachineRecord machine_of(const std::vector<Comparison>& comparisons, int threads) {
  MachineRecord machine = machine_record(threads);
  std::vector<double> rates;
  for (const Comparison& comparison : comparisons) rates.push_back(comparison.fma_gflops);
  machine.fma_gflops = highest(rates);
  return machine;
}

void add_reports(const std::vector<Comparison>& comparisons, const CompareOptions& options,
                 Outputs& outputs) {
  const MachineRecord machine = machine_of(comparisons, options.common.threads);
  std::vector<RunRecord> runs;
  for (const Comparison& c : comparisons) runs.insert(runs.end(), c.runs.begin(), c.runs.end());
  if (!options.html.empty()) {
    outputs.add_text(options.html, html_report(comparisons, machine, options.command_line));
  }
  outputs.add_json(options.common.json, to_json(machine, runs));
}

std::vector<FileArgument> inputs_of(const CompareOptions& options) {
  std::vector<FileArgument> inputs;
  for (const std::string& path : options.inputs) inputs.push_back({"INPUT", path});
  for (const std::string& path : options.common.given) inputs.push_back({"--given", path});
  return inputs;
}

void run_compare(const CompareOptions& options) {
  check_outputs({{"--html", options.html}, {"--json", options.common.json}}, inputs_of(options));
  const std::vector<Layer> layers = load_all(options);
  const GivenFiles given = load_given(options.common.given, options.settings.methods);
  const std::vector<Comparison> comparisons = compare_all(layers, given, options);
  Outputs outputs;
  add_reports(comparisons, options, outputs);
  note_conversions(layers);
  outputs.commit();
}

}  // namespace

void add_compare(const Command& app, const std::string& command_line) {
  auto options = std::make_shared<CompareOptions>();
  options->command_line = command_line;
  const Command command = app.add_subcommand(
      "compare", "Exact and approximate attention on the same layers: time, memory and error");
  command.add_option("INPUT", options->inputs, "safetensors or npz files with tensors q, k, v")
      .required();
  command
      .add_option("--method", options->settings.methods,
                  "A method; repeat for several. Exact is always run. Default: a small selection")
      .allow_extra_args(false)
      .type_name("SPEC");
  add_settings(command, *options);
  add_causal(command, options->common);
  add_scale(command, options->common);
  add_tensor_names(command, options->common);
  add_given(command, options->common);
  add_certify(command, options->common);
  add_seed(command, options->common);
  add_threads(command, options->common);
  add_json(command, options->common);
  command.footer(std::string(examples) + spec_help);
  command.callback([options] { run_compare(*options); });
}

}  // namespace subquad::cli
