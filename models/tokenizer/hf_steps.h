// The steps before the model in a tokenizer.json: normalizer and pre-tokenizer.
#pragma once

#include "config/json_keys.h"
#include "tokenizer/vocabulary.h"

namespace subquad::tokenizer {

// Sets units, word_patterns and space_prefix. `root`: the whole file. Throws Error
// (invalid_argument) naming the step for one that we do not know.
void read_hf_steps(const models::JsonKeys& root, Vocabulary& vocabulary);

}  // namespace subquad::tokenizer
