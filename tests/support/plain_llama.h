// A random Llama of two layers: its weights as llama2.c files, and its forward in plain double
// loops.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace subquad::testing {

struct RandomLlama {
  static constexpr std::int64_t width = 24, hidden = 20, layers = 2, heads = 4, kv_heads = 2,
                                head_dim = 6, vocabulary = 270, context = 96;
  // By llama2.c's names; those of layers are (layers, out, in) or (layers, width).
  std::map<std::string, std::vector<float>> tensors;

  explicit RandomLlama(std::uint64_t seed);

  // A checkpoint in llama2.c's format.
  void write(const std::string& path) const;
  // The tokenizer.bin of its pieces: <unk>, BOS, EOS, 256 bytes, and a few letters with scores.
  static void write_tokenizer(const std::string& path);
};

using DoubleRows = std::vector<std::vector<double>>;

// The forward in double. Angles: rotary angle of each pair at position 1. Pairs are (2i, 2i + 1),
// or (i, i + angles) with `halves`. Biases: of each layer, as long as the projection, or empty.
struct PlainLlama {
  const RandomLlama& weights;
  std::vector<double> angles = default_angles();
  bool halves = false;
  double magnitude = 1;  // of turned entries
  DoubleRows query_bias = {}, key_bias = {}, value_bias = {};

  static std::vector<double> default_angles();
  // States after the last norm, (tokens, width).
  DoubleRows states(const std::vector<std::int32_t>& tokens) const;
  // (vocabulary) after one state.
  std::vector<double> logits(const std::vector<double>& state) const;
};

}  // namespace subquad::testing
