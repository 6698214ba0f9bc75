#include "tokenizer/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "tokenizer/utf8.h"

namespace subquad::tokenizer {
namespace {

// Characters of Latin-1 that are printed and are no space stand for their own byte.
bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::size_t alphabet_end = 0x144;

// By code point, -1 for none. The other bytes take the characters from U+0100 on, in order.
std::array<int, alphabet_end> make_bytes() {
  std::array<int, alphabet_end> bytes{};
  bytes.fill(-1);
  std::size_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte)
    bytes[stands_for_itself(byte) ? static_cast<std::size_t>(byte) : next++] = byte;
  return bytes;
}

}  // namespace

std::optional<std::string> from_byte_alphabet(std::string_view piece) {
  static const std::array<int, alphabet_end> bytes = make_bytes();
  std::string text;
  while (!piece.empty()) {
    const std::size_t size = character_bytes(piece);
    if (size == 0) return std::nullopt;
    const char32_t point = code_point(piece);
    if (point >= alphabet_end || bytes[point] < 0) return std::nullopt;
    text += static_cast<char>(bytes[point]);
    piece.remove_prefix(size);
  }
  return text;
}

}  // namespace subquad::tokenizer
