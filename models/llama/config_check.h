// Whether a model's shape makes sense, before memory is asked for.
#pragma once

#include <string>

#include "llama/config.h"

namespace subquad::llama {

// `vocabulary` may be 0: not known yet. Throws Error (invalid_argument): `label`, then the field in
// the words of the format-independent LlamaConfig.
void check_config(const LlamaConfig& config, const std::string& label);

}  // namespace subquad::llama
