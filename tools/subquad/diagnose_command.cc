#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "commands.h"
#include "common_options.h"
#include "diagnosis.h"
#include "options.h"
#include "outputs.h"
#include "standard_output.h"
#include "subquad/error.h"
#include "subquad/probe.h"
#include "user_words.h"

namespace subquad::cli {
namespace {

struct DiagnoseOptions {
  CommonOptions common;
  DiagnoseSettings settings;
  std::vector<std::string> inputs, probes;
  std::vector<std::int64_t> lengths;
};

const char* const examples =
    "Examples:\n"
    "  subquad diagnose layer.safetensors\n"
    "  subquad diagnose a.safetensors b.safetensors --skip-columns 32 --epsilon 0.3\n"
    "  subquad diagnose layer.safetensors --probes alpha --rows 2048\n"
    "  subquad diagnose layer.safetensors --lengths 1024,2048,4096 --json -\n"
    "With P the softmax matrix (HyperAttention's assumptions, docs/guide/cli.md):\n"
    "  alpha  n max_j |P e_j|^2: Theorem 1 wants it small against n\n"
    "  kappa  largest over smallest row sum of exp(scores) outside the heavy entries\n"
    "  srnk   |P|_F^2 / |P|_op^2\n"
    "  m      the sample that Lemma 1 (kappa^7 alpha^2 eps^-6 ln n) and Lemma 2 (eps^-2 d srnk) "
    "ask for\n"
    "  head_tail  of KMV's Assumption A: all but the n largest entries of the Gaussian kernel "
    "matrix\n"
    "         over the n largest, see docs/guide/kmv.md\n";

// Which probes run: those named, else all, else (with --lengths) alpha.
DiagnoseSettings resolve(const DiagnoseOptions& options) {
  DiagnoseSettings settings = options.settings;
  settings.run = options.common.run();
  std::vector<std::string> names = split_lists(options.probes);
  const std::vector<std::string> known{"alpha", "kappa", "stable_rank", "head_tail"};
  if (names.empty() && options.lengths.empty()) names = {known[0], known[1], known[2]};
  if (names.empty()) names = {known[0]};
  const auto named = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw_invalid(fmt::format("--probes: unknown '{}'; known: {}", name, fmt::join(known, ", ")));
    }
  }
  settings.alpha = named("alpha");
  settings.kappa = named("kappa");
  settings.stable_rank = named("stable_rank");
  settings.head_tail = named("head_tail");
  return settings;
}

// Every input, or its prefixes of the asked lengths. All are checked before the first is probed.
std::vector<Layer> load_all(const DiagnoseOptions& options) {
  std::vector<Layer> layers;
  for (const std::string& input : options.inputs) {
    const Layer layer = load_layer(input, options.common.layer);
    if (options.lengths.empty()) layers.push_back(layer);
    for (const std::int64_t length : options.lengths) layers.push_back(prefix_of(layer, length));
  }
  return layers;
}

// A wrong spec is found before the probes that do not need it have run: on a layer of no positions.
void check_method(const DiagnoseSettings& settings) {
  Problem empty;
  empty.query = empty.key = empty.value =
      dense_view(static_cast<const void*>(nullptr), DType::f32, {1, 1, 0, 1});
  if (settings.kappa) (void)probe_kappa(empty, settings.method, {1, 0});
}

std::vector<Diagnosis> diagnose_all(const std::vector<Layer>& layers,
                                    const DiagnoseSettings& settings, bool print) {
  const UserWords words{{"skip_columns", "--skip-columns"}, {"heavy_spec", "--method"}};
  with_user_words(words, [&] { check_method(settings); });
  std::vector<Diagnosis> diagnoses;
  for (const Layer& layer : layers) {
    with_file(layer.input, [&] {
      with_user_words(words, [&] {
        Progress progress("diagnose");
        progress.expect(settings.alpha + settings.kappa + settings.stable_rank +
                        settings.head_tail);
        diagnoses.push_back(diagnose_layer(layer, settings, progress));
      });
    });
    if (!print) continue;
    fmt::print("{}\n", diagnosis_text(diagnoses.back(), settings));
    flush_stdout();
  }
  return diagnoses;
}

void run_diagnose(const DiagnoseOptions& options) {
  std::vector<FileArgument> inputs;
  for (const std::string& path : options.inputs) inputs.push_back({"INPUT", path});
  check_outputs({{"--json", options.common.json}}, inputs);
  const DiagnoseSettings settings = resolve(options);
  const std::vector<Layer> layers = load_all(options);
  const std::vector<Diagnosis> diagnoses =
      diagnose_all(layers, settings, !options.common.json_on_stdout());
  Outputs outputs;
  outputs.add_json(options.common.json,
                   to_json(machine_record(options.common.threads), diagnoses, settings));
  note_conversions(layers);
  outputs.commit();
}

void add_settings(const Command& command, DiagnoseOptions& options) {
  DiagnoseSettings& settings = options.settings;
  command.add_option("--method", settings.method, "Heavy parts whose complement kappa compares")
      .type_name("SPEC")
      .capture_default_str();
  add_positive(command, "--epsilon", settings.epsilon,
               "Error that the lemmas' sample sizes are for")
      .type_name("E")
      .default_str(fmt::format("{}", settings.epsilon));
  add_whole(command, "--skip-columns", settings.skip_columns, 0, std::int64_t{1} << 30,
            "alpha leaves out the first N keys (the paper's section 4.3: 32)");
  add_whole(command, "--rows", settings.rows, 0, std::int64_t{1} << 30,
            "alpha (biased upwards) and head_tail from N query rows drawn at random; 0: all");
  command
      .add_option("--probes", options.probes,
                  "alpha, kappa, stable_rank, head_tail; several with commas. Default: the first "
                  "three, with --lengths alpha")
      .allow_extra_args(false)
      .type_name("NAME[,..]");
  add_whole_list(command, "--lengths", options.lengths, 0, std::int64_t{1} << 30,
                 "Probe the first N positions of each layer, for every N");
}

}  // namespace

void add_diagnose(const Command& app) {
  auto options = std::make_shared<DiagnoseOptions>();
  const Command command = app.add_subcommand(
      "diagnose", "What the theorems assume of a layer: alpha, kappa, stable rank, sample sizes");
  command.add_option("INPUT", options->inputs, "safetensors or npz files with tensors q, k, v")
      .required();
  add_settings(command, *options);
  add_causal(command, options->common);
  add_scale(command, options->common);
  add_tensor_names(command, options->common);
  add_seed(command, options->common);
  add_threads(command, options->common);
  add_json(command, options->common);
  command.footer(examples);
  command.callback([options] { run_diagnose(*options); });
}

}  // namespace subquad::cli
