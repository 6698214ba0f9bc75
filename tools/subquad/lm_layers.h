// Queries, keys and values of some layers of a language model, as tensor files hold them.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "lm_source.h"
#include "progress.h"
#include "subquad/io.h"

namespace subquad::cli {

// One layer after rotary embedding: q (heads, tokens, head_dim), k and v (kv_heads, ..), f32 or
// f16.
struct LayerTensors {
  std::int64_t layer = 0;
  std::vector<io::Tensor> tensors;
  std::vector<std::vector<std::byte>> storage;  // what they point to
};

// Runs the model with exact attention up to the last of `layers`, which must be ascending and its
// own. type: f32 or f16. Throws Error (invalid_argument) for contexts that do not work.
std::vector<LayerTensors> capture_layers(LmSource& source, std::span<const int> tokens,
                                         std::span<const std::int64_t> layers, DType type,
                                         int threads, Progress& progress);

}  // namespace subquad::cli
