// GPT-2's alphabet: vocabularies of byte-level BPE write each byte as a visible character.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace subquad::tokenizer {

// The bytes that a piece stands for ("Ġthe": " the"); nothing where one of its characters stands
// for no byte, or it is no UTF-8.
std::optional<std::string> from_byte_alphabet(std::string_view piece);

}  // namespace subquad::tokenizer
