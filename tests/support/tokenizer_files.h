// Small tokenizers to build files of: byte-level and SentencePiece's.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "support/gguf_builder.h"

namespace subquad::testing {

// GPT-2's visible character for a byte.
inline std::string visible_byte(int byte) {
  const auto itself = [](int b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  };
  int point = byte;
  if (!itself(byte)) {
    point = 256;
    for (int b = 0; b < byte; ++b) point += itself(b) ? 0 : 1;
  }
  if (point < 128) return std::string(1, static_cast<char>(point));
  return {static_cast<char>(0xC0 | point >> 6), static_cast<char>(0x80 | (point & 63))};
}

inline std::string visible_bytes(const std::string& bytes) {
  std::string text;
  for (const char byte : bytes) text += visible_byte(static_cast<unsigned char>(byte));
  return text;
}

// Ids 0 to 255 are the bytes, then come the results of the merges, then the special tokens.
struct ByteLevelTokens {
  std::vector<std::pair<std::string, std::string>> merges;  // of plain bytes
  std::vector<std::string> special;

  int merged(std::size_t merge) const { return 256 + static_cast<int>(merge); }
  int named(std::size_t index) const { return merged(merges.size() + index); }
};

// `types` of the special tokens: 3 control, 4 user-defined.
inline GgufBuilder byte_level_gguf(const ByteLevelTokens& tokens, const std::string& pre,
                                   std::int32_t special_type = 3) {
  std::vector<std::string> pieces, merges;
  for (int byte = 0; byte < 256; ++byte) pieces.push_back(visible_byte(byte));
  for (const auto& [left, right] : tokens.merges) {
    merges.push_back(visible_bytes(left) + " " + visible_bytes(right));
    pieces.push_back(visible_bytes(left + right));
  }
  std::vector<std::int32_t> types(pieces.size(), 1);
  for (const std::string& name : tokens.special) {
    pieces.push_back(name);
    types.push_back(special_type);
  }
  GgufBuilder file;
  file.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", pre);
  file.texts("tokenizer.ggml.tokens", pieces).numbers("tokenizer.ggml.token_type", types);
  file.texts("tokenizer.ggml.merges", merges);
  return file;
}

// Pieces of SentencePiece's kind: unknown, two control, the 256 bytes, then these with scores.
inline GgufBuilder sentencepiece_gguf(const std::vector<std::pair<std::string, float>>& pieces) {
  std::vector<std::string> texts{"<unk>", "<s>", "</s>"};
  std::vector<float> scores(3 + 256, 0);
  std::vector<std::int32_t> types{2, 3, 3};
  const char* digits = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte) {
    texts.push_back(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">");
    types.push_back(6);
  }
  for (const auto& [text, score] : pieces) {
    texts.push_back(text);
    scores.push_back(score);
    types.push_back(1);
  }
  GgufBuilder file;
  file.text("tokenizer.ggml.model", "llama").texts("tokenizer.ggml.tokens", texts);
  file.numbers("tokenizer.ggml.scores", scores).numbers("tokenizer.ggml.token_type", types);
  file.number("tokenizer.ggml.bos_token_id", std::uint32_t{1});
  file.number("tokenizer.ggml.eos_token_id", std::uint32_t{2});
  file.number("tokenizer.ggml.unknown_token_id", std::uint32_t{0});
  return file;
}

}  // namespace subquad::testing
