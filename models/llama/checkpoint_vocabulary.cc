#include "llama/checkpoint_vocabulary.h"

#include <fmt/format.h>

#include "subquad/error.h"

namespace subquad::llama {

void check_vocabulary(const Checkpoint& checkpoint, const tokenizer::Tokenizer& tokenizer) {
  const std::int64_t rows = checkpoint.config.vocabulary;
  if (tokenizer.size() > rows)
    throw_invalid(fmt::format("{}: has {} tokens, the model rows for {} only", tokenizer.label(),
                              tokenizer.size(), rows));
}

}  // namespace subquad::llama
