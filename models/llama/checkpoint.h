#pragma once

#include <memory>
#include <string>
#include <vector>

#include "llama/config.h"
#include "llama/weight_matrix.h"

namespace subquad::llama {

// Weights of one layer. Vectors are widened to f32 when the file is read; matrices stay as stored.
struct LlamaLayer {
  std::vector<float> attention_norm;  // (width)
  WeightMatrix query;                 // (heads * head_dim, width)
  WeightMatrix key;                   // (kv_heads * head_dim, width)
  WeightMatrix value;                 // (kv_heads * head_dim, width)
  WeightMatrix output;                // (width, heads * head_dim)
  std::vector<float> query_bias;      // (heads * head_dim), or empty: none (Qwen2 has it).
  std::vector<float> key_bias;
  std::vector<float> value_bias;
  std::vector<float> feed_forward_norm;  // (width)
  WeightMatrix gate;                     // (hidden, width): w1 of llama2.c
  WeightMatrix up;                       // (hidden, width): w3
  WeightMatrix down;                     // (width, hidden): w2
};

// A Llama-family model as a file holds it.
struct Checkpoint {
  LlamaConfig config;
  WeightMatrix embedding;  // (vocabulary, width)
  std::vector<LlamaLayer> layers;
  std::vector<float> final_norm;  // (width)
  WeightMatrix classifier;        // (vocabulary, width): the embedding itself where it is tied.
  std::shared_ptr<const void> storage;  // Keeps the bytes that the matrices point to.
};

// Reads a checkpoint: GGUF v2 and v3 (*.gguf), a folder or file of Hugging Face safetensors with
// its config.json, or llama2.c (*.bin). throws Error (invalid_argument) naming the file and what is
// wrong in it.
Checkpoint load_checkpoint(const std::string& path);

}  // namespace subquad::llama
