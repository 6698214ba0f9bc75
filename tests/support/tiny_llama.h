// A Llama model of random weights, small enough for a test to look at each of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/gguf_builder.h"

namespace subquad::testing {

struct TinyLlama {
  std::string architecture = "llama";
  std::uint32_t layers = 2, width = 32, hidden = 64, heads = 4, kv_heads = 2, vocabulary = 40;
  bool tied = true, biases = false;

  std::uint32_t kv_width() const { return width / heads * kv_heads; }
};

// Value i of tensor number `tensor`: between -1 and 1, all different.
inline float tiny_weight(std::uint32_t tensor, std::size_t i) {
  const std::uint32_t mixed = (tensor * 7919u + static_cast<std::uint32_t>(i) + 1u) * 2654435761u;
  return static_cast<float>(mixed >> 8) * 0x1p-23f - 1;
}

inline std::vector<float> tiny_weights(std::uint32_t tensor, std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = tiny_weight(tensor, i);
  return values;
}

inline GgufBuilder& add_tiny_keys(GgufBuilder& file, const TinyLlama& model) {
  const std::string prefix = model.architecture + ".";
  file.text("general.architecture", model.architecture).text("general.name", "tiny");
  file.number(prefix + "block_count", model.layers);
  file.number(prefix + "embedding_length", model.width);
  file.number(prefix + "feed_forward_length", model.hidden);
  file.number(prefix + "attention.head_count", model.heads);
  file.number(prefix + "attention.head_count_kv", model.kv_heads);
  file.number(prefix + "context_length", std::uint32_t{128});
  file.number(prefix + "attention.layer_norm_rms_epsilon", 1e-6f);
  file.number(prefix + "rope.freq_base", 5000.0f);
  return file;
}

// Only the keys; tensors that a test wants otherwise are its own affair.
inline GgufBuilder tiny_llama_keys(const TinyLlama& model) {
  GgufBuilder file;
  return add_tiny_keys(file, model);
}

struct TinyTensor {
  std::string name;  // GGUF's
  std::vector<std::uint64_t> shape;
};

// In the order that numbers them.
inline std::vector<TinyTensor> tiny_llama_tensors(const TinyLlama& model) {
  std::vector<TinyTensor> all{{"token_embd.weight", {model.vocabulary, model.width}}};
  for (std::uint32_t layer = 0; layer < model.layers; ++layer) {
    const auto add = [&](const std::string& name, const std::vector<std::uint64_t>& shape) {
      all.push_back({"blk." + std::to_string(layer) + "." + name, shape});
    };
    add("attn_norm.weight", {model.width});
    add("attn_q.weight", {model.width, model.width});
    add("attn_k.weight", {model.kv_width(), model.width});
    add("attn_v.weight", {model.kv_width(), model.width});
    add("attn_output.weight", {model.width, model.width});
    if (model.biases) {
      add("attn_q.bias", {model.width});
      add("attn_k.bias", {model.kv_width()});
      add("attn_v.bias", {model.kv_width()});
    }
    add("ffn_norm.weight", {model.width});
    add("ffn_gate.weight", {model.hidden, model.width});
    add("ffn_up.weight", {model.hidden, model.width});
    add("ffn_down.weight", {model.width, model.hidden});
  }
  all.push_back({"output_norm.weight", {model.width}});
  if (!model.tied) all.push_back({"output.weight", {model.vocabulary, model.width}});
  return all;
}

inline std::size_t count_of(const TinyTensor& tensor) {
  std::size_t count = 1;
  for (const std::uint64_t extent : tensor.shape) count *= extent;
  return count;
}

inline GgufBuilder& add_tiny_tensors(GgufBuilder& file, const TinyLlama& model) {
  const std::vector<TinyTensor> tensors = tiny_llama_tensors(model);
  for (std::uint32_t i = 0; i < tensors.size(); ++i)
    file.floats(tensors[i].name, tensors[i].shape, tiny_weights(i, count_of(tensors[i])));
  return file;
}

inline ByteList tiny_llama(const TinyLlama& model) {
  GgufBuilder file = tiny_llama_keys(model);
  return add_tiny_tensors(file, model).build();
}

}  // namespace subquad::testing
