#include "tokenizer/encoder.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include <fmt/format.h>

#include "subquad/error.h"
#include "tokenizer/compose.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/utf8.h"

namespace subquad::tokenizer {
namespace {

// Ids of the pieces that stand for one byte.
std::array<int, 256> make_byte_ids(const Vocabulary& vocabulary) {
  const PieceKind kind = vocabulary.units == Units::bytes ? PieceKind::normal : PieceKind::byte;
  std::array<int, 256> ids{};
  ids.fill(-1);
  for (std::size_t id = vocabulary.pieces.size(); id-- > 0;) {
    const Piece& piece = vocabulary.pieces[id];
    if (piece.kind == kind && piece.bytes.size() == 1)
      ids[static_cast<std::uint8_t>(piece.bytes[0])] = static_cast<int>(id);
  }
  return ids;
}

// The first of equal pieces.
std::unordered_map<std::string_view, int> make_ids(const Vocabulary& vocabulary) {
  std::unordered_map<std::string_view, int> ids;
  for (std::size_t id = 0; id < vocabulary.pieces.size(); ++id)
    if (vocabulary.pieces[id].kind == PieceKind::normal)
      ids.emplace(vocabulary.pieces[id].bytes, static_cast<int>(id));
  return ids;
}

// As the vocabulary sees spaces: SentencePiece has only one, GPT-2 others too.
bool begins_with_space(std::string_view text, Units units) {
  if (units == Units::characters) return with_spaces(text.substr(0, 3)).starts_with(' ');
  return !text.empty() && (text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r'));
}

bool needs_space(std::string_view text, bool first, const Vocabulary& vocabulary) {
  const SpacePrefix prefix = vocabulary.space_prefix;
  if (prefix == SpacePrefix::none || (prefix == SpacePrefix::first && !first)) return false;
  return prefix == SpacePrefix::each || !begins_with_space(text, vocabulary.units);
}

// The text as the vocabulary sees it.
std::string prepared(std::string_view text, bool first, const Vocabulary& vocabulary) {
  std::string result(needs_space(text, first, vocabulary) ? " " : "");
  return vocabulary.units == Units::bytes ? result.append(text) : result + with_spaces(text);
}

// Bytes at the beginning of `text` before the first that is a whole character.
std::size_t invalid_bytes(std::string_view text) {
  std::size_t count = 0;
  while (count < text.size() && character_bytes(text.substr(count)) == 0) ++count;
  return count;
}

}  // namespace

struct Encoder::Work {
  std::vector<int>& ids;
  std::size_t most;
  std::vector<std::string_view> words;
  std::vector<int> symbols;
  Merger::Scratch merging;
};

Encoder::Encoder(const Vocabulary& vocabulary)
    : vocabulary_(vocabulary),
      splitter_(vocabulary.word_patterns, vocabulary.label),
      merger_(vocabulary.merges),
      byte_ids_(make_byte_ids(vocabulary)),
      normal_(make_ids(vocabulary)) {}

void Encoder::encode(std::string_view text, bool first, std::size_t most,
                     std::vector<int>& ids) const {
  if (text.empty()) return;
  if (text.size() >= std::size_t{std::numeric_limits<int>::max()} - 1)
    throw_invalid(fmt::format("a text of {} bytes is too long to encode at once", text.size()));
  const std::string owned = prepared(text, first, vocabulary_);
  Work work{ids, most, {}, {}, {}};
  std::string_view rest = owned;
  while (!rest.empty() && ids.size() < most) {
    const std::size_t valid = valid_bytes(rest);
    if (valid > 0) encode_run(rest.substr(0, valid), true, work);
    rest.remove_prefix(valid);
    const std::size_t invalid = invalid_bytes(rest);
    if (invalid > 0) encode_run(rest.substr(0, invalid), false, work);
    rest.remove_prefix(invalid);
  }
}

void Encoder::encode_run(std::string_view run, bool valid, Work& work) const {
  if (!valid && vocabulary_.units == Units::characters) return append_bytes(run, work.ids);
  if (!valid) return encode_word(run, work);
  const std::string composed_run = vocabulary_.composes ? composed(run) : std::string();
  splitter_.split(vocabulary_.composes ? composed_run : run, work.words);
  for (const std::string_view word : work.words) {
    if (work.ids.size() >= work.most) return;
    encode_word(word, work);
  }
}

void Encoder::encode_word(std::string_view word, Work& work) const {
  if (vocabulary_.whole_words) {
    const auto found = normal_.find(word);
    if (found != normal_.end()) return work.ids.push_back(found->second);
  }
  work.symbols.clear();
  append_symbols(word, work.symbols);
  merger_.merge(work.symbols, work.merging);
  for (const int symbol : work.symbols) {
    if (symbol >= 0)
      work.ids.push_back(symbol);
    else
      append_character(static_cast<char32_t>(-1 - symbol), work.ids);
  }
}

void Encoder::append_symbols(std::string_view word, std::vector<int>& symbols) const {
  if (vocabulary_.units == Units::bytes) return append_bytes(word, symbols);
  while (!word.empty()) {
    const std::string_view character = word.substr(0, character_bytes(word));
    const auto found = normal_.find(character);
    symbols.push_back(found != normal_.end() ? found->second
                                             : -1 - static_cast<int>(code_point(character)));
    word.remove_prefix(character.size());
  }
}

void Encoder::append_bytes(std::string_view bytes, std::vector<int>& ids) const {
  for (const char byte : bytes) {
    const int id = byte_ids_[static_cast<std::uint8_t>(byte)];
    if (id >= 0)
      ids.push_back(id);
    else if (vocabulary_.unknown)
      ids.push_back(*vocabulary_.unknown);
  }
}

// A character that is no piece: its bytes where the vocabulary has all of them, else unknown.
void Encoder::append_character(char32_t character, std::vector<int>& ids) const {
  std::string bytes;
  append_utf8(character, bytes);
  const bool complete = std::all_of(bytes.begin(), bytes.end(), [&](char byte) {
    return byte_ids_[static_cast<std::uint8_t>(byte)] >= 0;
  });
  if (complete)
    append_bytes(bytes, ids);
  else if (vocabulary_.unknown)
    ids.push_back(*vocabulary_.unknown);
}

}  // namespace subquad::tokenizer
