#include "tokenizer/sentencepiece.h"

namespace subquad::tokenizer {

std::string with_spaces(std::string_view piece) {
  constexpr std::string_view visible_space = "\xE2\x96\x81";  // U+2581
  std::string text;
  text.reserve(piece.size());
  for (std::size_t i = 0; i < piece.size(); ++i) {
    const bool space = piece.substr(i, visible_space.size()) == visible_space;
    text += space ? ' ' : piece[i];
    if (space) i += visible_space.size() - 1;
  }
  return text;
}

int byte_named(std::string_view piece) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  const std::size_t high = digits.find(piece[3]), low = digits.find(piece[4]);
  if (high == std::string_view::npos || low == std::string_view::npos) return -1;
  return static_cast<int>(high * 16 + low);
}

}  // namespace subquad::tokenizer
