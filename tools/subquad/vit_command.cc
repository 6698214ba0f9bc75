#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "commands.h"
#include "common_options.h"
#include "messages.h"
#include "options.h"
#include "outputs.h"
#include "user_words.h"
#include "vit/image_folder.h"
#include "vit/weights.h"
#include "vit_predictions.h"
#include "vit_report.h"
#include "vit_run.h"

namespace subquad::cli {
namespace {

struct VitOptions {
  CommonOptions common;
  VitSettings settings;
  std::string weights, images, labels, metrics, predictions;
  std::int64_t limit = 0;
};

const char* const examples =
    "Examples:\n"
    "  subquad vit --weights deit_tiny/model.safetensors --images images --method \"topk(k=100)\"\n"
    "  subquad vit --weights W.safetensors --images DIR --method hyper --method \"uniform(m=512)\" "
    "\\\n"
    "    --layers last:4 --resolution 1024 --limit 10\n"
    "  subquad vit --weights W.safetensors --images DIR --method \"topk(k=100)\" --metrics m.csv\n"
    "  subquad vit --weights W.safetensors --images DIR --predictions p.csv\n"
    "Columns: top 1, top 5: pictures whose class is the first, among the first five; agree: the "
    "same\n"
    "first class as exact; logit KL: mean over pictures of KL(softmax of exact's logits || of the\n"
    "method's); attention: time in attention, all layers; total: the forward without decoding.\n"
    "Fields of the JSON, preprocessing and positions: docs/guide/vit.md.\n\n";

vit::ImageFolder open_images(const VitOptions& options, const vit::Weights& weights) {
  const UserWords words{{options.labels, "--labels " + options.labels},
                        {options.images, "--images " + options.images}};
  vit::ImageFolder folder = with_user_words(
      words, [&] { return vit::open_folder(options.images, options.labels, weights.classes()); });
  if (options.limit > 0) folder.limit(static_cast<std::size_t>(options.limit));
  return folder;
}

// Nothing that is read may be an output; the pictures are known when the folder was listed.
void check_files(const VitOptions& options, const std::vector<std::string>& pictures) {
  const std::string config =
      (std::filesystem::path(options.weights).parent_path() / "config.json").string();
  std::vector<FileArgument> inputs{{"--weights", options.weights},
                                   {"--labels", options.labels},
                                   {"the configuration", config},
                                   {"the labels", options.images + "/labels.csv"}};
  for (const std::string& picture : pictures) inputs.push_back({"the picture", picture});
  check_outputs({{"--metrics", options.metrics},
                 {"--predictions", options.predictions},
                 {"--json", options.common.json}},
                inputs);
}

VitOutcome compute(const VitOptions& options, const vit::Weights& weights,
                   const vit::ImageFolder& folder) {
  VitSettings settings = options.settings;
  settings.threads = options.common.threads;
  settings.seed = options.common.seed;
  settings.metrics = !options.metrics.empty();
  settings.predictions = !options.predictions.empty();
  Progress progress("vit");
  return with_user_words({{"resolution", "--resolution"}},
                         [&] { return run_vit(weights, folder, settings, progress); });
}

vit::Weights load(const VitOptions& options) {
  const vit::Config config = vit::config_beside(options.weights);
  return with_user_words({{options.weights, "--weights " + options.weights}},
                         [&] { return vit::load_weights(options.weights, config); });
}

void run_command(const VitOptions& options) {
  check_files(options, {});
  const vit::Weights weights = load(options);
  const vit::ImageFolder folder = open_images(options, weights);
  check_files(options, folder.files);
  const VitOutcome outcome = compute(options, weights, folder);
  const VitFolder input{options.images, folder};
  Outputs outputs;
  if (!options.metrics.empty()) outputs.add_text(options.metrics, metrics_csv(outcome));
  if (!options.predictions.empty())
    outputs.add_text(options.predictions, predictions_csv(outcome, folder));
  outputs.add_json(options.common.json,
                   to_json(machine_record(options.common.threads), outcome, input));
  (void)std::fputs(complaints_text(outcome).c_str(), stderr);
  if (weights.converted) print_note(options.weights + ": f64 is used as f32");
  if (!options.common.json_on_stdout()) fmt::print("{}", vit_text(outcome, input));
  outputs.commit();
}

void add_files(const Command& command, VitOptions& options) {
  command
      .add_option("--weights", options.weights,
                  "safetensors file with timm's names; config.json beside it is read")
      .type_name("FILE")
      .required();
  command
      .add_option(
          "--images", options.images,
          "Folder of JPEG and PNG files, or of class folders of them; what cannot be read is "
          "left out")
      .type_name("DIR")
      .required();
  command
      .add_option("--labels", options.labels,
                  "A CSV file: lines file,class[,..] under a header; default: labels.csv in DIR, "
                  "else class "
                  "folders named by number, or one a class")
      .type_name("FILE");
  command
      .add_option("--metrics", options.metrics,
                  "Write what paper KVT measures of every block and head to this CSV file")
      .type_name("FILE");
  command
      .add_option("--predictions", options.predictions,
                  "Write each picture's five best classes, by every run, to this CSV file")
      .type_name("FILE");
}

void add_choices(const Command& command, VitSettings& settings, std::int64_t& limit) {
  command
      .add_option("--method", settings.methods,
                  "Attention of the chosen layers; repeat for several. Exact is always run")
      .allow_extra_args(false)
      .type_name("SPEC");
  command
      .add_option("--layers", settings.layers,
                  "Which blocks get the method, counted from 0: all, A, A-B, last:L")
      .type_name("WORD")
      .capture_default_str();
  add_whole(command, "--resolution", settings.resolution, 0, 8192,
            "Side of the square input in pixels, a multiple of the patch size; 0: as trained")
      .type_name("R");
  add_positive(command, "--temperature", settings.temperature,
               "The method's softmax is over scores / T in the chosen layers")
      .type_name("T")
      .default_str(fmt::format("{}", settings.temperature));
  add_whole(command, "--batch", settings.batch, 0, 4096, "Pictures at once; 0 chooses");
  add_whole(command, "--limit", limit, 0, std::int64_t{1} << 40,
            "Only the first N pictures, readable or not, in the order of names; 0: all");
}

}  // namespace

void add_vit(const Command& app) {
  auto options = std::make_shared<VitOptions>();
  const Command command = app.add_subcommand(
      "vit", "A vision transformer on pictures, with the attention of some layers replaced");
  add_files(command, *options);
  add_choices(command, options->settings, options->limit);
  add_seed(command, options->common);
  add_threads(command, options->common);
  add_json(command, options->common);
  command.footer(std::string(examples) + spec_help);
  command.callback([options] { run_command(*options); });
}

}  // namespace subquad::cli
