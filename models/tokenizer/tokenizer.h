// Text to the token ids of a language model and back.
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace subquad::tokenizer {

struct EncodeOptions {
  bool bos = false;      // Begin with the bos id; Error where there is none.
  bool special = false;  // Control tokens' names in the text become these tokens: for prompts, not
                         // for text that others wrote.
  // The first `most` ids are enough: of what follows none is worked out that need not be.
  std::size_t most = std::numeric_limits<std::size_t>::max();
};

// Byte-pair encoding as the model's files say. Constant functions may be called from several
// threads.
//
// Text that is no UTF-8: runs of bytes that are no character are words of their own, encoded byte
// by byte. Bytes for which the vocabulary has nothing become its unknown token, or, where it has
// none either, are left out, as Hugging Face's tokenizers do.
class Tokenizer {
 public:
  explicit Tokenizer(Vocabulary vocabulary);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // O(n log n) for n bytes; with options.most the first ids of the same, where words are apart.
  std::vector<int> encode(std::string_view text, EncodeOptions options = {}) const;
  // Joins bytes_of(ids) and, where encode puts a space before a text, takes that of the first away.
  // Error (invalid_argument) for an id outside 0 to size() - 1.
  std::string decode(std::span<const int> ids) const;
  // What a token adds to a text, which may be part of a character only; nothing for control tokens.
  std::string_view bytes_of(int id) const;
  // The token as text, control tokens' names too.
  std::string_view name_of(int id) const;

  int size() const;
  const std::string& label() const;  // the file that it was read from, for messages
  std::optional<int> bos() const;
  std::optional<int> eos() const;
  std::optional<int> end_of_turn() const;  // where a chat model ends its answer
  // Whether the model ends its text with it: eos, end_of_turn, or another that its files name.
  bool ends_text(int id) const;
  bool adds_bos() const;  // whether the model expects texts to begin with bos
  // As the file has it (Jinja); empty where it has none.
  const std::string& chat_template() const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

// The tokenizer of a checkpoint that load_checkpoint reads: GGUF metadata, tokenizer.json (and
// tokenizer_config.json) beside safetensors, tokenizer.bin beside llama2.c's *.bin. Throws Error
// (invalid_argument) naming file and field.
Tokenizer load_tokenizer(const std::string& checkpoint_path);

}  // namespace subquad::tokenizer
