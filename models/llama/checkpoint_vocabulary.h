// Whether a checkpoint and a tokenizer belong together.
#pragma once

#include "llama/checkpoint.h"
#include "tokenizer/tokenizer.h"

namespace subquad::llama {

// Throws Error (invalid_argument) naming the tokenizer's file where it has more tokens than the
// model has rows. More rows than tokens are usual (padding): a sampler must see the scores of the
// first tokenizer.size() only.
void check_vocabulary(const Checkpoint& checkpoint, const tokenizer::Tokenizer& tokenizer);

}  // namespace subquad::llama
