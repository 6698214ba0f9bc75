// The steps of a tokenizer.json; read here those before the model: normalizer and pre-tokenizer.
#pragma once

#include <functional>

#include "config/json_keys.h"
#include "tokenizer/vocabulary.h"

namespace subquad::tokenizer {

// Sets units, word_patterns and space_prefix. `root`: the whole file. Throws Error
// (invalid_argument) naming the step for one that we do not know.
void read_hf_steps(const models::JsonKeys& root, Vocabulary& vocabulary);

// Calls `use` for a step, or for each step of a Sequence, whose list is called `list`.
void each_step(const models::JsonKeys& step, const char* list,
               const std::function<void(const models::JsonKeys&)>& use);

}  // namespace subquad::tokenizer
