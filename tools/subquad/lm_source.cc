#include "lm_source.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "config/layer_choice.h"
#include "llama/checkpoint_vocabulary.h"
#include "options.h"
#include "subquad/attention.h"
#include "subquad/error.h"
#include "user_words.h"

namespace subquad::cli {
namespace {

// linear:F or yarn:F.
void read_scaling(const std::string& text, llama::RotaryConfig& rotary) {
  const std::size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  if (colon == text.npos || (name != "linear" && name != "yarn"))
    throw_invalid(
        fmt::format("--rope-scaling: '{}' is neither linear:FACTOR nor yarn:FACTOR", text));
  const double factor = positive_number(text.substr(colon + 1), "--rope-scaling");
  constexpr double largest = 1e6;
  if (!(factor >= 1 && factor <= largest))
    throw_invalid(fmt::format("--rope-scaling: the factor {} is outside 1 to {}", factor, largest));
  rotary.scaling = name == "yarn" ? llama::RotaryScaling::yarn : llama::RotaryScaling::linear;
  rotary.factor = static_cast<float>(factor);
  rotary.divisors.clear();
  if (rotary.factor == 1) rotary.scaling = llama::RotaryScaling::none;
}

llama::RotaryConfig rotary_of(const LmOptions& options, const llama::LlamaConfig& config) {
  llama::RotaryConfig rotary = config.rotary;
  if (options.rope_base > 0) rotary.base = options.rope_base;
  if (!options.rope_scaling.empty()) {
    read_scaling(options.rope_scaling, rotary);
    rotary.original_context = config.context;
  }
  if (rotary.scaling == llama::RotaryScaling::yarn && rotary.base <= 1)
    throw_invalid(fmt::format("--rope-base: {} is not above 1, which YaRN needs", rotary.base));
  return rotary;
}

// A wrong spec is found before the model runs: on a layer of no positions.
void check_spec(const std::string& spec) {
  Problem empty;
  empty.query = empty.key = empty.value =
      dense_view(static_cast<const void*>(nullptr), DType::f32, {1, 1, 0, 1});
  const MutableTensorView out = dense_view(static_cast<void*>(nullptr), DType::f32, {1, 1, 0, 1});
  attend(empty, spec, {out, {}, {}}, {1, 0});
}

}  // namespace

void add_lm_options(const Command& command, LmOptions& options) {
  command
      .add_option("--model", options.model,
                  "A Llama-family model: GGUF, a folder of Hugging Face safetensors, or llama2.c's "
                  "*.bin")
      .type_name("FILE")
      .required();
  add_positive(command, "--rope-base", options.rope_base,
               "Base of the rotary embedding instead of the model's; needed beyond its context")
      .type_name("B");
  command
      .add_option("--rope-scaling", options.rope_scaling,
                  "linear:F or yarn:F: rotary angles for F times the context, instead of the "
                  "model's")
      .type_name("WORD");
  add_seed(command, options.common);
  add_threads(command, options.common);
  add_json(command, options.common);
}

std::vector<FileArgument> model_files(const LmOptions& options) {
  namespace fs = std::filesystem;
  const fs::path model = options.model;
  std::vector<FileArgument> files{{"--model", options.model}};
  std::error_code ignored;
  const fs::path folder = fs::is_directory(model, ignored) ? model : model.parent_path();
  for (const auto& entry : fs::directory_iterator(folder.empty() ? "." : folder, ignored)) {
    const std::string type = entry.path().extension().string();
    const bool read = type == ".safetensors" || type == ".bin" ||
                      entry.path().filename().string().starts_with("tokenizer") ||
                      entry.path().filename() == "config.json" ||
                      entry.path().string().ends_with(".index.json");
    if (read) files.push_back({"--model", entry.path().string()});
  }
  return files;
}

LmSource load_lm(const LmOptions& options) {
  return with_user_words({{options.model, "--model " + options.model}}, [&] {
    llama::Checkpoint checkpoint = llama::load_checkpoint(options.model);
    const llama::RotaryConfig rotary = rotary_of(options, checkpoint.config);
    tokenizer::Tokenizer tokenizer = tokenizer::load_tokenizer(options.model);
    llama::check_vocabulary(checkpoint, tokenizer);
    return LmSource{std::move(checkpoint), std::move(tokenizer), rotary};
  });
}

std::vector<std::string> specs_of(const std::string& option, const std::string& method,
                                  const std::string& layers, std::int64_t depth) {
  with_file(option, [&] { check_spec(method); });
  std::vector<std::string> specs;
  for (const bool chosen : models::choose_layers(layers, depth, "--layers"))
    specs.push_back(chosen ? method : "exact");
  return specs;
}

}  // namespace subquad::cli
