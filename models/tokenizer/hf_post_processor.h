// The tokens that a tokenizer.json puts around a text.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/json_keys.h"

namespace subquad::tokenizer {

struct PostProcessor {
  std::optional<int> before;  // the token that comes before a text
  std::string after;          // the name of one that comes after it; empty for none
};

// `root`: the whole file; `texts`: its tokens by id, those added later too. Throws Error
// (invalid_argument) for a step that we do not know, and for more tokens than these.
PostProcessor read_hf_post_processor(const models::JsonKeys& root,
                                     const std::vector<std::string>& texts);

}  // namespace subquad::tokenizer
