// Text that a language model continues.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llama/model.h"
#include "llama/sampler.h"
#include "lm_source.h"

namespace subquad::cli {

struct GenerateSettings {
  std::string method = "exact";  // of the prompt
  std::string decode = "exact";  // of each further token
  std::string layers = "all";    // that get them
  std::int64_t max_tokens = 128;
  llama::SamplerOptions sampler;
  int threads = 0;
};

struct Generation {
  std::int64_t prompt_tokens = 0;
  std::vector<int> tokens;  // drawn, without the one that ended the text
  std::string text;         // of these
  bool ended = false;       // by the model; else max_tokens were drawn
  double prefill_s = 0;     // the prompt's forward
  double decode_s = 0;      // all further forwards, scores and draws
  llama::ForwardCounts prefill, decode;
};

// Continues `prompt`; `emit` gets the bytes of each token as it is drawn (parts of characters,
// perhaps). Throws Error (invalid_argument) for prompts that do not fit the context with what is to
// be drawn, layers and specs.
Generation generate(const LmSource& source, std::span<const int> prompt,
                    const GenerateSettings& settings,
                    const std::function<void(std::string_view)>& emit);

}  // namespace subquad::cli
