#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "lm_commands.h"
#include "lm_layers.h"
#include "lm_text.h"
#include "options.h"
#include "outputs.h"
#include "run_record.h"
#include "subquad/error.h"
#include "user_words.h"

namespace subquad::cli {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

struct LayersOptions {
  LmOptions lm;
  LmText text;
  std::vector<std::int64_t> layers;
  std::string out, dtype = "f32";
};

const char* const examples =
    "Example:\n"
    "  subquad lm layers --model M.gguf --text T.txt --tokens 8192 --layers 2,9 --out layers\n"
    "  subquad compare layers/layer02.safetensors --method hyper --causal top_left\n"
    "Guide: docs/guide/lm.md.\n";

std::string file_of(const LayersOptions& options, std::int64_t layer) {
  return (fs::path(options.out) / fmt::format("layer{:02}.safetensors", layer)).string();
}

// Without the slashes that may end it.
std::string folder_of(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

// The folder is made when there is something to put into it.
void check_files(const LayersOptions& options) {
  std::error_code ignored;
  std::vector<FileArgument> outputs{{"--json", options.lm.common.json}};
  if (fs::is_directory(options.out, ignored)) {
    for (const std::int64_t layer : options.layers)
      outputs.push_back({"--out", file_of(options, layer)});
  } else {
    if (fs::exists(fs::symlink_status(options.out, ignored)))
      throw_invalid(fmt::format("--out {}: is there and no folder", options.out));
    outputs.push_back({"--out", options.out});
  }
  std::vector<FileArgument> inputs = model_files(options.lm);
  inputs.push_back({"--text", options.text.path});
  check_outputs(outputs, inputs);
}

void sort_layers(std::vector<std::int64_t>& layers) {
  std::sort(layers.begin(), layers.end());
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
}

void check_layers(const std::vector<std::int64_t>& layers, std::int64_t depth) {
  if (layers.back() >= depth)
    throw_invalid(
        fmt::format("--layers: {} is none of the layers 0 to {}", layers.back(), depth - 1));
}

// The model's scale: 1 / sqrt(head_dim), in the fewest digits that give the float.
std::map<std::string, std::string> metadata_of(const LayersOptions& options, const LmSource& source,
                                               std::int64_t layer) {
  const llama::LlamaConfig& config = source.checkpoint.config;
  return {{"model", in_utf8(config.name.empty() ? fs::path(options.lm.model).filename().string()
                                                : config.name)},
          {"layer", std::to_string(layer)},
          {"text", in_utf8(fs::path(options.text.path).filename().string())},
          {"skip_chars", std::to_string(options.text.skip_chars)},
          {"tokens", std::to_string(options.text.tokens)},
          {"heads", std::to_string(config.heads)},
          {"kv_heads", std::to_string(config.kv_heads)},
          {"head_dim", std::to_string(config.head_dim)},
          {"rope_base", fmt::format("{}", source.rotary.base)},
          {"scale", fmt::format("{}", 1 / std::sqrt(static_cast<float>(config.head_dim)))},
          {"causal", "top_left"},
          {"softmax", "exp(scale q.k)"},
          {"layout", "[head, token, dim], rotary embedding applied"}};
}

Json layer_json(const LayersOptions& options, const LmSource& source, std::int64_t layer) {
  const llama::LlamaConfig& config = source.checkpoint.config;
  return {{"layer", layer},
          {"file", file_of(options, layer)},
          {"dtype", options.dtype},
          {"tokens", options.text.tokens},
          {"heads", config.heads},
          {"kv_heads", config.kv_heads},
          {"head_dim", config.head_dim}};
}

// A folder that is made where it is missing, and taken away again where nothing came to be in it.
class OutputFolder {
 public:
  explicit OutputFolder(const std::string& path) : path_(path) {
    std::error_code error;
    made_ = fs::create_directory(path, error);
    if (error)
      throw Error(ErrorKind::failed,
                  fmt::format("--out {}: cannot be made: {}", path, error.message()));
  }
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;
  ~OutputFolder() {
    std::error_code not_empty;
    if (made_) fs::remove(path_, not_empty);
  }

 private:
  std::string path_;
  bool made_ = false;
};

void write(const LayersOptions& options, const LmSource& source,
           const std::vector<LayerTensors>& captured) {
  const OutputFolder folder(options.out);
  Json json = to_json(machine_record(options.lm.common.threads), std::vector<RunRecord>{});
  Outputs outputs;
  for (const LayerTensors& layer : captured) {
    outputs.add_tensors(file_of(options, layer.layer), layer.tensors,
                        metadata_of(options, source, layer.layer));
    json["runs"].push_back(layer_json(options, source, layer.layer));
  }
  outputs.add_json(options.lm.common.json, json);
  if (!options.lm.common.json_on_stdout())
    for (const LayerTensors& layer : captured) fmt::print("{}\n", file_of(options, layer.layer));
  outputs.commit();
}

void run_command(LayersOptions& options) {
  if (options.dtype != "f32" && options.dtype != "f16")
    throw_invalid(fmt::format("--dtype: '{}' is neither f32 nor f16", options.dtype));
  options.out = folder_of(options.out);
  sort_layers(options.layers);
  check_files(options);
  LmSource source = load_lm(options.lm);
  check_layers(options.layers, source.checkpoint.config.layers);
  const std::vector<int> tokens = read_tokens(options.text, source.tokenizer);
  const DType type = options.dtype == "f16" ? DType::f16 : DType::f32;
  Progress progress("lm layers");
  const auto captured = with_lm_words("--tokens", {}, [&] {
    return capture_layers(source, tokens, options.layers, type, options.lm.common.threads,
                          progress);
  });
  write(options, source, captured);
}

}  // namespace

void add_lm_layers(const Command& lm) {
  auto options = std::make_shared<LayersOptions>();
  const Command command =
      lm.add_subcommand("layers", "Write queries, keys and values of layers of a model on a text");
  add_lm_text(command, options->text);
  add_whole_list(command, "--layers", options->layers, 0, 9999,
                 "Which layers, counted from 0, with commas")
      .required();
  command
      .add_option("--out", options->out,
                  "The folder of the files layerNN.safetensors: q, k, v after rotary embedding")
      .type_name("DIR")
      .required();
  command.add_option("--dtype", options->dtype, "f32 or f16")
      .type_name("TYPE")
      .capture_default_str();
  add_lm_options(command, options->lm);
  command.footer(examples);
  command.callback([options] { run_command(*options); });
}

}  // namespace subquad::cli
