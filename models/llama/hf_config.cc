#include "llama/hf_config.h"

#include <algorithm>

#include <fmt/format.h>

#include "config/json_file.h"
#include "config/json_keys.h"
#include "io/text.h"
#include "llama/config_check.h"

namespace subquad::llama {
namespace {

using models::JsonKeys;

void check_architecture(const JsonKeys& keys) {
  const nlohmann::json* names = keys.find("architectures");
  const bool one = names != nullptr && names->is_array() && names->size() == 1;
  if (!one || !names->front().is_string()) keys.fail("architectures", "must be a list of one name");
  const auto name = names->front().get<std::string>();
  if (name != "LlamaForCausalLM" && name != "Qwen2ForCausalLM")
    keys.fail("architectures", io::in_quotes(name) +
                                   " is not supported, must be LlamaForCausalLM or "
                                   "Qwen2ForCausalLM");
}

void require_plain(const JsonKeys& keys) {
  const std::string activation = keys.text("hidden_act").value_or("silu");
  if (activation != "silu" && activation != "swish")
    keys.fail("hidden_act", io::in_quotes(activation) + " is not supported, must be silu");
  if (keys.flag("use_sliding_window").value_or(false))
    keys.fail("use_sliding_window", "true is not supported");
  if (keys.has("quantization_config")) keys.fail("quantization_config", "is not supported");
}

// The scaling's own keys, those before transformers 5 and after.
void check_scaling_keys(const JsonKeys& scaling, RotaryScaling type) {
  for (const auto& item : scaling.json().items()) {
    const std::string& key = item.key();
    const bool known =
        key == "type" || key == "rope_type" || key == "factor" || key == "rope_theta" ||
        key == "original_max_position_embeddings" ||
        (type == RotaryScaling::llama3 && (key == "low_freq_factor" || key == "high_freq_factor"));
    const bool idle = item.value().is_null() || (key == "beta_fast" && item.value() == 32) ||
                      (key == "beta_slow" && item.value() == 1) ||
                      (key == "partial_rotary_factor" && item.value() == 1);
    if (!known && !idle) scaling.fail(key, item.value().dump() + " is not supported");
  }
}

float needed_number(const JsonKeys& keys, const char* key) {
  const auto value = keys.number(key);
  if (!value) keys.fail(key, "is missing");
  return static_cast<float>(*value);
}

void read_scaling(const JsonKeys& scaling, RotaryConfig& rotary) {
  const std::string type =
      scaling.text("rope_type").value_or(scaling.text("type").value_or("default"));
  if (type == "linear")
    rotary.scaling = RotaryScaling::linear;
  else if (type == "yarn")
    rotary.scaling = RotaryScaling::yarn;
  else if (type == "llama3")
    rotary.scaling = RotaryScaling::llama3;
  else if (type != "default")
    scaling.fail("rope_type", io::in_quotes(type) +
                                  " is not supported, must be default, linear, yarn or llama3");
  check_scaling_keys(scaling, rotary.scaling);
  if (rotary.scaling == RotaryScaling::none) return;
  rotary.factor = needed_number(scaling, "factor");
  if (rotary.scaling == RotaryScaling::llama3) {
    rotary.few_turns = needed_number(scaling, "low_freq_factor");
    rotary.many_turns = needed_number(scaling, "high_freq_factor");
    if (!scaling.has("original_max_position_embeddings"))
      scaling.fail("original_max_position_embeddings", "is missing");
  }
  rotary.original_context =
      scaling.whole("original_max_position_embeddings").value_or(rotary.original_context);
  if (rotary.factor == 1) rotary.scaling = RotaryScaling::none;
}

RotaryConfig read_rotary(const JsonKeys& keys, const LlamaConfig& config) {
  RotaryConfig rotary;
  rotary.pairs = RotaryPairs::halves;
  rotary.original_context = config.context;
  const auto parameters = keys.object("rope_parameters");
  const auto inner = parameters ? parameters->number("rope_theta") : std::nullopt;
  rotary.base = static_cast<float>(inner ? *inner : keys.number("rope_theta").value_or(10000));
  const double part = keys.number("partial_rotary_factor").value_or(1);
  if (!(part > 0 && part <= 1)) keys.fail("partial_rotary_factor", "must be above 0 and at most 1");
  rotary.dimensions = static_cast<std::int64_t>(part * static_cast<double>(config.head_dim));
  const auto scaling = parameters ? parameters : keys.object("rope_scaling");
  if (scaling) read_scaling(*scaling, rotary);
  return rotary;
}

}  // namespace

HfConfig read_hf_config(const std::string& path) {
  const std::string where = io::printable(path);
  const nlohmann::json json = models::parse_json_file(path, where);
  const JsonKeys keys(json, where);
  check_architecture(keys);
  require_plain(keys);
  const auto needed = [&](const char* key) {
    const auto value = keys.whole(key);
    if (!value) keys.fail(key, "is missing");
    return *value;
  };
  HfConfig result;
  LlamaConfig& config = result.config;
  config.name = keys.text("_name_or_path").value_or("");
  config.layers = needed("num_hidden_layers");
  config.width = needed("hidden_size");
  config.hidden = needed("intermediate_size");
  config.heads = needed("num_attention_heads");
  config.kv_heads = keys.whole("num_key_value_heads").value_or(config.heads);
  if (config.heads < 1) keys.fail("num_attention_heads", "must be at least 1");
  if (!keys.has("head_dim") && config.width % config.heads != 0)
    keys.fail("num_attention_heads",
              fmt::format("{} does not divide the width {}", config.heads, config.width));
  config.head_dim = keys.whole("head_dim").value_or(config.width / config.heads);
  config.vocabulary = needed("vocab_size");
  config.context = keys.whole("max_position_embeddings").value_or(2048);
  config.norm_epsilon = static_cast<float>(keys.number("rms_norm_eps").value_or(1e-6));
  config.rotary = read_rotary(keys, config);
  result.tied = keys.flag("tie_word_embeddings").value_or(false);
  check_config(config, where);
  return result;
}

}  // namespace subquad::llama
