// Weights of a checkpoint whose tensors have names.
#pragma once

#include "llama/checkpoint.h"
#include "llama/tensor_source.h"

namespace subquad::llama {

// What a format calls its tensors. Those of a layer hold "{}" for its number; ".weight" and ".bias"
// are part of the names.
struct TensorNames {
  const char* embedding;
  const char* final_norm;
  const char* classifier;
  const char* attention_norm;
  const char* query;
  const char* key;
  const char* value;
  const char* output;
  const char* query_bias;
  const char* key_bias;
  const char* value_bias;
  const char* feed_forward_norm;
  const char* gate;
  const char* up;
  const char* down;
  const char* rotary_divisors = "";  // of the pairs' angles; empty: the format has none
  // Tensors whose names end with this are passed over: angles that the configuration says too.
  const char* ignored;
};

// Fills everything but config and storage. checkpoint.config is complete and checked, but for the
// rotary divisors, and for `vocabulary`, which is read from the embedding where it is 0. The
// classifier is the embedding where the file has none. Throws Error (invalid_argument) naming file
// and tensor: missing, of a wrong shape or type, not finite, or unknown.
void read_named_weights(TensorSource& source, const TensorNames& names, Checkpoint& checkpoint);

}  // namespace subquad::llama
