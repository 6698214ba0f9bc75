// What every `lm` command starts from: a checkpoint, its tokenizer, and its rotary embedding.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common_options.h"
#include "llama/checkpoint.h"
#include "outputs.h"
#include "tokenizer/tokenizer.h"
#include "user_words.h"

namespace subquad::cli {

struct LmOptions {
  CommonOptions common;
  std::string model;
  float rope_base = 0;       // 0: the model's
  std::string rope_scaling;  // linear:F or yarn:F; empty: the model's
};

struct LmSource {
  llama::Checkpoint checkpoint;
  tokenizer::Tokenizer tokenizer;
  llama::RotaryConfig rotary;  // the model's, as the options change it
};

// --model, --rope-base, --rope-scaling, --threads, --seed, --json.
void add_lm_options(const Command& command, LmOptions& options);

// Throws Error (invalid_argument) that names the option and the file.
LmSource load_lm(const LmOptions& options);

// The files that the model may be read from: none of them may become an output.
std::vector<FileArgument> model_files(const LmOptions& options);

// A spec for each layer: `method`, the value of `option`, where `layers` (all, A, A-B, last:L)
// chooses, else exact. Throws Error (invalid_argument) for layers and specs that there are not.
std::vector<std::string> specs_of(const std::string& option, const std::string& method,
                                  const std::string& layers, std::int64_t depth);

// Runs call(); its Errors name the options of `lm` that the library's words stand for. `tokens`:
// the option that says how many there are.
template <typename Call>
auto with_lm_words(const std::string& tokens, UserWords words, const Call& call) {
  words.insert(words.end(),
               {{"context", tokens}, {"tokens", tokens}, {"rotary base", "--rope-base"}});
  return with_user_words(words, call);
}

}  // namespace subquad::cli
