#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "io/text.h"
#include "llama/config_check.h"
#include "llama/formats.h"
#include "llama/named_weights.h"
#include "subquad/error.h"

namespace subquad::llama {
namespace {

constexpr TensorNames gguf_names{.embedding = "token_embd.weight",
                                 .final_norm = "output_norm.weight",
                                 .classifier = "output.weight",
                                 .attention_norm = "blk.{}.attn_norm.weight",
                                 .query = "blk.{}.attn_q.weight",
                                 .key = "blk.{}.attn_k.weight",
                                 .value = "blk.{}.attn_v.weight",
                                 .output = "blk.{}.attn_output.weight",
                                 .query_bias = "blk.{}.attn_q.bias",
                                 .key_bias = "blk.{}.attn_k.bias",
                                 .value_bias = "blk.{}.attn_v.bias",
                                 .feed_forward_norm = "blk.{}.ffn_norm.weight",
                                 .gate = "blk.{}.ffn_gate.weight",
                                 .up = "blk.{}.ffn_up.weight",
                                 .down = "blk.{}.ffn_down.weight",
                                 .rotary_divisors = "rope_freqs.weight",
                                 .ignored = ".attn_rot_embd"};

std::optional<WeightType> weight_type(gguf::TensorType type) {
  switch (type) {
    case gguf::TensorType::f32:
      return WeightType::f32;
    case gguf::TensorType::f16:
      return WeightType::f16;
    case gguf::TensorType::bf16:
      return WeightType::bf16;
    case gguf::TensorType::q8_0:
      return WeightType::q8_0;
    case gguf::TensorType::q4_0:
      return WeightType::q4_0;
    case gguf::TensorType::q4_1:
      return WeightType::q4_1;
    case gguf::TensorType::q5_0:
      return WeightType::q5_0;
    case gguf::TensorType::q5_1:
      return WeightType::q5_1;
    case gguf::TensorType::q4_k:
      return WeightType::q4_k;
    case gguf::TensorType::q5_k:
      return WeightType::q5_k;
    case gguf::TensorType::q6_k:
      return WeightType::q6_k;
    default:
      return std::nullopt;
  }
}

class GgufTensors final : public TensorSource {
 public:
  explicit GgufTensors(const gguf::File& file) : file_(file) {}

  std::vector<std::string> names() const override {
    std::vector<std::string> all;
    for (const gguf::TensorInfo& tensor : file_.tensors()) all.push_back(tensor.name);
    return all;
  }
  StoredTensor read(const std::string& name) override {
    const gguf::TensorInfo& tensor = *file_.find(name);
    const auto type = weight_type(tensor.type);
    if (!type)
      fail(name, fmt::format("has type {}; we read F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, "
                             "Q4_K, Q5_K and Q6_K",
                             gguf::traits_of(tensor.type).name));
    return {*type, tensor.shape, file_.read(tensor, *storage_).data()};
  }
  [[noreturn]] void fail(const std::string& name, const std::string& what) const override {
    throw_invalid(fmt::format("{}: tensor {}: {}", file_.label(), io::in_quotes(name), what));
  }

  std::shared_ptr<const void> storage() const { return storage_; }

 private:
  const gguf::File& file_;
  std::shared_ptr<io::Storage> storage_ = std::make_shared<io::Storage>();
};

// The keys "<architecture>.<name>".
class ModelKeys {
 public:
  ModelKeys(const gguf::Metadata& metadata, const std::string& architecture)
      : metadata_(metadata), prefix_(architecture + ".") {}

  std::int64_t whole(const char* name) const {
    const auto value = metadata_.whole(prefix_ + name);
    if (!value) metadata_.fail(prefix_ + name, "is missing");
    return *value;
  }
  std::int64_t whole(const char* name, std::int64_t missing) const {
    return metadata_.whole(prefix_ + name).value_or(missing);
  }
  float number(const char* name, double missing) const {
    return static_cast<float>(metadata_.number(prefix_ + name).value_or(missing));
  }
  std::string text(const char* name, const char* missing) const {
    return metadata_.text(prefix_ + name).value_or(missing);
  }
  bool has(const char* name) const { return metadata_.has(prefix_ + name); }
  // The key may be there only with a value that changes nothing.
  void require_idle(const char* name, double idle) const {
    const auto value = metadata_.number(prefix_ + name);
    if (value && *value != idle) fail(name, fmt::format("{} is not supported", *value));
  }
  [[noreturn]] void fail(const char* name, const std::string& what) const {
    metadata_.fail(prefix_ + name, what);
  }

 private:
  const gguf::Metadata& metadata_;
  std::string prefix_;
};

RotaryScaling read_scaling(const ModelKeys& keys) {
  const std::string type = keys.text("rope.scaling.type", "linear");
  if (type == "none") return RotaryScaling::none;
  if (type == "linear") return RotaryScaling::linear;
  if (type == "yarn") return RotaryScaling::yarn;
  keys.fail("rope.scaling.type",
            io::in_quotes(type) + " is not supported, must be none, linear or yarn");
}

RotaryConfig read_rotary(const ModelKeys& keys, const LlamaConfig& config, RotaryPairs pairs) {
  RotaryConfig rotary;
  rotary.pairs = pairs;
  rotary.base = keys.number("rope.freq_base", 10000);
  rotary.dimensions = keys.whole("rope.dimension_count", config.head_dim);
  // Old files have scale_linear; 0 says that there is no scaling.
  rotary.factor = keys.number("rope.scaling.factor", keys.number("rope.scale_linear", 0));
  rotary.scaling = read_scaling(keys);
  if (rotary.factor == 0) rotary.factor = 1;
  if (rotary.factor == 1) rotary.scaling = RotaryScaling::none;
  if (rotary.scaling == RotaryScaling::none) rotary.factor = 1;
  rotary.original_context = keys.whole("rope.scaling.original_context_length", config.context);
  return rotary;
}

// What would change the computation in ways that we do not know.
void require_plain(const ModelKeys& keys) {
  for (const char* name : {"expert_count", "attention.sliding_window", "attn_logit_softcapping",
                           "final_logit_softcapping", "attention.scale"})
    keys.require_idle(name, 0);
  for (const char* name : {"logit_scale", "embedding_scale", "residual_scale",
                           "rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor"})
    keys.require_idle(name, 1);
  keys.require_idle("rope.scaling.yarn_beta_fast", 32);
  keys.require_idle("rope.scaling.yarn_beta_slow", 1);
}

LlamaConfig read_config(const gguf::Metadata& metadata, const std::string& architecture) {
  const ModelKeys keys(metadata, architecture);
  require_plain(keys);
  LlamaConfig config;
  config.name = metadata.text("general.name").value_or("");
  config.layers = keys.whole("block_count");
  config.width = keys.whole("embedding_length");
  config.hidden = keys.whole("feed_forward_length");
  config.heads = keys.whole("attention.head_count");
  config.kv_heads = keys.whole("attention.head_count_kv", config.heads);
  if (config.heads < 1) keys.fail("attention.head_count", "must be at least 1");
  if (!keys.has("attention.key_length") && config.width % config.heads != 0)
    keys.fail("attention.head_count",
              fmt::format("{} does not divide the width {}", config.heads, config.width));
  config.head_dim = keys.whole("attention.key_length", config.width / config.heads);
  if (keys.whole("attention.value_length", config.head_dim) != config.head_dim)
    keys.fail("attention.value_length", "must be attention.key_length");
  config.vocabulary = keys.whole("vocab_size", 0);
  config.context = keys.whole("context_length");
  config.norm_epsilon = keys.number("attention.layer_norm_rms_epsilon", 1e-5);
  const bool halves = architecture == "qwen2";
  config.rotary = read_rotary(keys, config, halves ? RotaryPairs::halves : RotaryPairs::neighbours);
  check_config(config, metadata.label());
  return config;
}

std::string read_architecture(const gguf::Metadata& metadata) {
  const auto architecture = metadata.text("general.architecture");
  if (!architecture) metadata.fail("general.architecture", "is missing");
  if (*architecture != "llama" && *architecture != "qwen2")
    metadata.fail("general.architecture",
                  io::in_quotes(*architecture) + " is not supported, must be llama or qwen2");
  return *architecture;
}

}  // namespace

Checkpoint read_gguf_checkpoint(const gguf::File& file) {
  Checkpoint checkpoint;
  checkpoint.config = read_config(file.metadata(), read_architecture(file.metadata()));
  GgufTensors tensors(file);
  read_named_weights(tensors, gguf_names, checkpoint);
  checkpoint.storage = tensors.storage();
  return checkpoint;
}

}  // namespace subquad::llama
