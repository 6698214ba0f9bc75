#include "tokenizer/utf8.h"

#include <cstdint>

namespace subquad::tokenizer {
namespace {

std::uint8_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

// What the first byte says; 0 where it begins no character.
std::size_t announced_bytes(std::uint8_t first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return 2;
  if (first >= 0xE0 && first < 0xF0) return 3;
  return first >= 0xF0 && first < 0xF5 ? 4 : 0;
}

// Whether the second byte rules out what first bytes alone do not.
bool second_is_good(std::uint8_t first, std::uint8_t second) {
  if (first == 0xE0) return second >= 0xA0;  // else overlong
  if (first == 0xED) return second < 0xA0;   // else a surrogate
  if (first == 0xF0) return second >= 0x90;  // else overlong
  return first != 0xF4 || second < 0x90;     // else above U+10FFFF
}

}  // namespace

std::size_t character_bytes(std::string_view text) {
  const std::size_t size = announced_bytes(byte_at(text, 0));
  if (size == 0 || size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte_at(text, i) & 0xC0) != 0x80) return 0;
  return size == 1 || second_is_good(byte_at(text, 0), byte_at(text, 1)) ? size : 0;
}

std::size_t valid_bytes(std::string_view text) {
  std::size_t valid = 0;
  while (valid < text.size()) {
    const std::size_t size = character_bytes(text.substr(valid));
    if (size == 0) break;
    valid += size;
  }
  return valid;
}

char32_t code_point(std::string_view text) {
  const std::size_t size = character_bytes(text);
  if (size == 1) return byte_at(text, 0);
  char32_t point = byte_at(text, 0) & (0xFFu >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) point = point << 6 | (byte_at(text, i) & 0x3Fu);
  return point;
}

void append_utf8(char32_t point, std::string& text) {
  const auto add = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (point < 0x80) return add(point);
  if (point < 0x800) {
    add(0xC0 | point >> 6);
  } else if (point < 0x10000) {
    add(0xE0 | point >> 12);
    add(0x80 | (point >> 6 & 0x3F));
  } else {
    add(0xF0 | point >> 18);
    add(0x80 | (point >> 12 & 0x3F));
    add(0x80 | (point >> 6 & 0x3F));
  }
  add(0x80 | (point & 0x3F));
}

}  // namespace subquad::tokenizer
