// One attention layer as the tool runs it: a Problem, where it came from, and its memory.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "subquad/problem.h"

namespace subquad::cli {

// What the command line says about the problem; it wins over the file's metadata.
struct LayerOptions {
  std::string causal;                                              // empty: not given
  std::string scale;                                               // empty: not given
  std::string query_name = "q", key_name = "k", value_name = "v";  // of the tensors in the file
};

struct Layer {
  std::string input;        // file path, or the name of a synthetic input
  std::string description;  // one line about the origin from the file's metadata; may be empty
  bool batched = false;     // q has a batch dimension in the file
  bool synthetic = false;   // the file says that it was made by `subquad synth`
  std::string causal_from;  // "command line", "file" or "default"
  std::vector<std::string> converted;  // tensors that were f64 and are used as f32
  Problem problem;
  std::vector<std::shared_ptr<const void>> storage;  // what the views of `problem` point into
};

// Opens a safetensors or npz file with tensors q, k, v (or what the options call them) of shape
// (heads, n, d) or (batch, heads, n, d). f32, bf16 and f16 are used as they are; f64 is converted
// to f32. Metadata: `scale`, `causal` (none | top_left | bottom_right | true | false), and, where
// `causal` is absent, the words of `softmax` as the project's data files write them. Throws Error,
// one line, naming file and tensor or field.
Layer load_layer(const std::string& path, const LayerOptions& options);

// Says on stderr which tensors were converted, once for each input.
void note_conversions(std::span<const Layer> layers);

}  // namespace subquad::cli
