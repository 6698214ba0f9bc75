// Cuts a text into words, across which no tokens reach.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/regex.h"

namespace subquad::tokenizer {

// The patterns of GGUF's `tokenizer.ggml.pre`; nullptr for an unknown name.
const std::vector<std::string>* find_word_patterns(const std::string& name);
// The names that find_word_patterns knows.
std::vector<std::string> word_pattern_names();

class WordSplitter {
 public:
  // `where`: for errors. Without patterns a text is one word.
  WordSplitter(const std::vector<std::string>& patterns, const std::string& where);

  // Cuts UTF-8: by the first pattern into what matches and what lies between, these by the second,
  // and so on. Joined, the words are the text.
  void split(std::string_view text, std::vector<std::string_view>& words) const;

 private:
  std::vector<Regex> patterns_;
};

}  // namespace subquad::tokenizer
