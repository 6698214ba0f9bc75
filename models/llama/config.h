#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace subquad::llama {

// Which entries of a head rotary embedding turns together.
enum class RotaryPairs {
  neighbours,  // (2i, 2i + 1): llama2.c, and GGUF's `llama` architecture.
  halves,      // (i, i + D / 2): Hugging Face checkpoints.
};

// How rotary angles change beyond the context a model was trained on.
enum class RotaryScaling { none, linear, yarn, llama3 };

struct RotaryConfig {
  RotaryPairs pairs = RotaryPairs::neighbours;
  float base = 10000.0f;
  RotaryScaling scaling = RotaryScaling::none;
  float factor = 1.0f;                // Times the trained context, >= 1 (linear, YaRN).
  std::int64_t original_context = 0;  // Tokens the model was trained on (YaRN, llama3).
  // Turns in the trained context below which angles are divided by the factor, and above which they
  // are kept (llama3).
  float few_turns = 1.0f, many_turns = 4.0f;
  std::int64_t dimensions = 0;  // Leading entries of a head that are turned, even, <= head_dim.
  std::vector<float> divisors;  // Of the angle of each pair, > 0 (rope_freqs.weight); empty: ones.

  // Whether another one of the same model turns heads alike.
  bool turns_as(const RotaryConfig& other) const {
    return base == other.base && scaling == other.scaling && factor == other.factor &&
           divisors == other.divisors;
  }
};

// Shape of a Llama-family model, as its file states it.
struct LlamaConfig {
  std::string name;  // What the file calls the model; may be empty.
  std::int64_t layers = 0;
  std::int64_t width = 0;   // Entries of a token's state.
  std::int64_t hidden = 0;  // Entries of the gated feed-forward layer.
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;  // Divides heads.
  std::int64_t head_dim = 0;
  std::int64_t vocabulary = 0;
  std::int64_t context = 0;  // Tokens the model was trained on.
  float norm_epsilon = 1e-5f;
  RotaryConfig rotary;
};

}  // namespace subquad::llama
