// Text without special tokens to ids.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/merger.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_splitter.h"

namespace subquad::tokenizer {

class Encoder {
 public:
  // `vocabulary` must outlive the encoder and stay in place.
  explicit Encoder(const Vocabulary& vocabulary);

  // Appends the ids of `text`, a part between special tokens. `first`: the text begins with it.
  // Words are no longer encoded once there are `most` ids or more.
  void encode(std::string_view text, bool first, std::size_t most, std::vector<int>& ids) const;

 private:
  struct Work;
  void encode_run(std::string_view run, bool valid, Work& work) const;
  void encode_word(std::string_view word, Work& work) const;
  void append_symbols(std::string_view word, std::vector<int>& symbols) const;
  void append_bytes(std::string_view bytes, std::vector<int>& ids) const;
  void append_character(char32_t character, std::vector<int>& ids) const;

  const Vocabulary& vocabulary_;
  WordSplitter splitter_;
  Merger merger_;
  std::array<int, 256> byte_ids_;                     // -1 for none
  std::unordered_map<std::string_view, int> normal_;  // ids of the normal pieces
};

}  // namespace subquad::tokenizer
