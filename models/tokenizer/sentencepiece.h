// How SentencePiece writes pieces.
#pragma once

#include <string>
#include <string_view>

namespace subquad::tokenizer {

// Spaces for U+2581, which SentencePiece does not tell from them.
std::string with_spaces(std::string_view piece);

// The byte that "<0x0A>" names, -1 for other texts.
int byte_named(std::string_view piece);

}  // namespace subquad::tokenizer
