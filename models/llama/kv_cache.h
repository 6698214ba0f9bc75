// Keys and values of the tokens so far, of every layer.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "llama/config.h"
#include "subquad/tensor.h"

namespace subquad::llama {

// For each layer two f32 tensors (kv_heads, capacity, head_dim).
class KvCache {
 public:
  KvCache(const LlamaConfig& config, std::int64_t capacity);

  std::int64_t capacity() const { return capacity_; }
  std::int64_t length() const { return length_; }  // tokens so far
  void set_length(std::int64_t tokens) { length_ = tokens; }
  // Forgets all tokens but the first `tokens`. Throws Error (invalid_argument) outside 0 to
  // length().
  void truncate(std::int64_t tokens);

  float* key(std::int64_t layer, std::int64_t head, std::int64_t position) {
    return place(keys_, layer, head, position);
  }
  float* value(std::int64_t layer, std::int64_t head, std::int64_t position) {
    return place(values_, layer, head, position);
  }
  // Positions [0, tokens) as (1, kv_heads, tokens, head_dim).
  TensorView keys(std::int64_t layer, std::int64_t tokens) { return view(keys_, layer, tokens); }
  TensorView values(std::int64_t layer, std::int64_t tokens) {
    return view(values_, layer, tokens);
  }

 private:
  using Tensors = std::vector<Scratch<float>>;

  float* place(Tensors& tensors, std::int64_t layer, std::int64_t head, std::int64_t position) {
    return tensors[static_cast<std::size_t>(layer)].data() +
           (head * capacity_ + position) * head_dim_;
  }
  TensorView view(Tensors& tensors, std::int64_t layer, std::int64_t tokens) {
    const std::int64_t head = capacity_ * head_dim_;
    return {place(tensors, layer, 0, 0),
            DType::f32,
            {1, heads_, tokens, head_dim_},
            {heads_ * head, head, head_dim_, 1}};
  }

  std::int64_t heads_, head_dim_, capacity_, length_ = 0;
  Tensors keys_, values_;
};

}  // namespace subquad::llama
