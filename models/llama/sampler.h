// Draws the next token from a model's scores.
#pragma once

#include <cstdint>
#include <span>

namespace subquad::llama {

struct SamplerOptions {
  float temperature = 0;  // softmax(scores / temperature); 0: the most probable token
  float top_p = 1;        // in (0, 1]: of the fewest most probable tokens that have this share
  std::uint64_t seed = 0;
};

// The token after `position` tokens, from the scores of all, at least one: where the model
// has more rows than its tokenizer has tokens, of the tokens alone. The draw depends on the
// seed, the position and the scores alone. Of equal scores the first token comes first. Throws
// Error (failed) for scores that are not finite.
std::int32_t sample_token(std::span<const float> scores, std::int64_t position,
                          const SamplerOptions& options);

}  // namespace subquad::llama
