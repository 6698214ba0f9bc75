// Texts from files, and their tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "command.h"
#include "tokenizer/tokenizer.h"

namespace subquad::cli {

// Which part of which text.
struct LmText {
  std::string path;
  std::int64_t tokens = 0;
  std::int64_t skip_chars = 0;
};

// --text, --tokens, --skip-chars.
void add_lm_text(const Command& command, LmText& text);

// The whole file; of a pipe at most 2^28 bytes. Throws Error (invalid_argument) that names
// `option`: no file that can be read, a longer pipe, no UTF-8, or nothing in it.
std::string read_utf8(const std::string& path, const std::string& option);

// The text with U+FFFD for each byte that is part of no character.
std::string in_utf8(std::string_view text);

// The first text.tokens tokens of the text from its character text.skip_chars on, the beginning
// token among them where the model expects one. Throws Error (invalid_argument) where there are
// fewer.
std::vector<int> read_tokens(const LmText& text, const tokenizer::Tokenizer& tokenizer);

}  // namespace subquad::cli
