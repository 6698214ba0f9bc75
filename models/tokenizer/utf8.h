// The structure of UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace subquad::tokenizer {

// Bytes of the character that `text`, not empty, begins with; 0 where it begins with none (bytes
// that are cut short, overlong, a surrogate or above U+10FFFF).
std::size_t character_bytes(std::string_view text);

// Bytes of the longest beginning of `text` that is whole characters.
std::size_t valid_bytes(std::string_view text);

// The code point of the character that `text` begins with, which must be one.
char32_t code_point(std::string_view text);

// Appends a code point up to U+10FFFF.
void append_utf8(char32_t point, std::string& text);

}  // namespace subquad::tokenizer
