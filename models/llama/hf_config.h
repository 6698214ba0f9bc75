// config.json of a Hugging Face checkpoint.
#pragma once

#include <string>

#include "llama/config.h"

namespace subquad::llama {

struct HfConfig {
  LlamaConfig config;  // checked
  bool tied = false;   // The classifier is the embedding.
};

// LlamaForCausalLM and Qwen2ForCausalLM with transformers' defaults for what is missing. Throws
// Error (invalid_argument) naming file and key, also for what would change the computation in ways
// that we do not know.
HfConfig read_hf_config(const std::string& path);

}  // namespace subquad::llama
