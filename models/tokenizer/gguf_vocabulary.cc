#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "io/text.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/formats.h"
#include "tokenizer/merge_rules.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/word_splitter.h"

namespace subquad::tokenizer {
namespace {

using gguf::Metadata;

const std::string tokens_key = "tokenizer.ggml.tokens";
const std::string types_key = "tokenizer.ggml.token_type";

const std::vector<std::string>& read_texts(const Metadata& metadata) {
  const std::vector<std::string>* texts = metadata.texts(tokens_key);
  if (texts == nullptr || texts->empty()) metadata.fail(tokens_key, "is missing or empty");
  if (texts->size() > std::size_t{std::numeric_limits<int>::max()})
    metadata.fail(tokens_key, "has too many entries");
  return *texts;
}

// Numbers 1 to 6.
PieceKind kind_of(double number, const Metadata& metadata) {
  constexpr std::array<PieceKind, 6> kinds{PieceKind::normal,  PieceKind::unknown,
                                           PieceKind::control, PieceKind::user_defined,
                                           PieceKind::unused,  PieceKind::byte};
  if (!(number >= 1 && number <= 6))
    metadata.fail(types_key, fmt::format("{} is no type of token", number));
  return kinds[static_cast<std::size_t>(number) - 1];
}

std::vector<PieceKind> read_kinds(const Metadata& metadata, std::size_t count) {
  const std::vector<double> numbers = metadata.numbers(types_key);
  if (!numbers.empty() && numbers.size() != count)
    metadata.fail(types_key, fmt::format("has {} entries for {} tokens", numbers.size(), count));
  std::vector<PieceKind> kinds(count, PieceKind::normal);
  std::transform(numbers.begin(), numbers.end(), kinds.begin(),
                 [&](double number) { return kind_of(number, metadata); });
  return kinds;
}

// Which of two normal tokens with one text is meant, nobody could say.
void require_different(const std::vector<std::string>& texts, const std::vector<PieceKind>& kinds,
                       const Metadata& metadata) {
  std::unordered_map<std::string_view, std::size_t> first;
  for (std::size_t id = 0; id < texts.size(); ++id) {
    if (kinds[id] != PieceKind::normal || texts[id].empty()) continue;
    const auto [found, added] = first.emplace(texts[id], id);
    if (!added)
      metadata.fail(tokens_key, fmt::format("tokens {} and {} are both {}", found->second, id,
                                            io::in_quotes(texts[id])));
  }
}

std::optional<int> read_id(const Metadata& metadata, const std::string& name,
                           const Vocabulary& vocabulary) {
  const std::string key = "tokenizer.ggml." + name + "_token_id";
  const auto id = metadata.whole(key);
  // Some writers say "none" by the largest number.
  if (!id || *id == -1 || *id == std::int64_t{std::numeric_limits<std::uint32_t>::max()})
    return std::nullopt;
  if (*id < 0 || *id >= static_cast<std::int64_t>(vocabulary.pieces.size()))
    metadata.fail(key, fmt::format("{} is no token", *id));
  return static_cast<int>(*id);
}

std::pair<std::string, std::string> parse_merge(const std::string& text, const Metadata& metadata) {
  // The first part has at least one character, which may be a space itself in old files.
  const std::size_t space = text.find(' ', 1);
  if (text.empty() || space == std::string::npos)
    metadata.fail("tokenizer.ggml.merges", io::in_quotes(text) + " is no pair");
  return {text.substr(0, space), text.substr(space + 1)};
}

void read_byte_level(const Metadata& metadata, Vocabulary& vocabulary) {
  const std::vector<std::string>& texts = read_texts(metadata);
  for (Piece& piece : vocabulary.pieces)
    if (piece.kind == PieceKind::normal)
      piece.bytes = from_byte_alphabet(piece.bytes).value_or(piece.bytes);
  const std::vector<std::string>* merges = metadata.texts("tokenizer.ggml.merges");
  if (merges == nullptr) metadata.fail("tokenizer.ggml.merges", "is missing");
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& merge : *merges) pairs.push_back(parse_merge(merge, metadata));
  vocabulary.merges = rules_of_pairs(texts, pairs, metadata.label() + ": tokenizer.ggml.merges");
  const std::string pre = metadata.text("tokenizer.ggml.pre").value_or("default");
  const std::vector<std::string>* patterns = find_word_patterns(pre);
  if (patterns == nullptr)
    metadata.fail("tokenizer.ggml.pre",
                  fmt::format("{} is not supported, we know {}", io::in_quotes(pre),
                              fmt::join(word_pattern_names(), ", ")));
  vocabulary.word_patterns = *patterns;
  const bool llama3 = pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3";
  vocabulary.whole_words = llama3;
  vocabulary.adds_bos = llama3;
}

void read_sentencepiece(const Metadata& metadata, Vocabulary& vocabulary) {
  vocabulary.units = Units::characters;
  for (Piece& piece : vocabulary.pieces) {
    const int byte = byte_named(piece.bytes);
    if (piece.kind == PieceKind::byte && byte < 0)
      metadata.fail(tokens_key, io::in_quotes(piece.bytes) + " names no byte");
    if (piece.kind == PieceKind::byte) piece.bytes = std::string(1, static_cast<char>(byte));
    if (piece.kind == PieceKind::normal) piece.bytes = with_spaces(piece.bytes);
  }
  const std::vector<double> scores = metadata.numbers("tokenizer.ggml.scores");
  if (scores.size() != vocabulary.pieces.size())
    metadata.fail("tokenizer.ggml.scores", fmt::format("has {} entries for {} tokens",
                                                       scores.size(), vocabulary.pieces.size()));
  const auto broken = std::find_if_not(scores.begin(), scores.end(),
                                       [](double score) { return std::isfinite(score); });
  if (broken != scores.end())
    metadata.fail("tokenizer.ggml.scores",
                  fmt::format("the score of token {} is not finite", broken - scores.begin()));
  vocabulary.merges = rules_of_scores(vocabulary.pieces, scores);
  if (metadata.flag("tokenizer.ggml.add_space_prefix").value_or(true))
    vocabulary.space_prefix = SpacePrefix::each;
  vocabulary.adds_bos = true;
  if (metadata.flag("tokenizer.ggml.remove_extra_whitespaces").value_or(false))
    metadata.fail("tokenizer.ggml.remove_extra_whitespaces", "true is not supported");
}

// Where the file does not say which token ends an answer, its name does.
std::optional<int> find_end_of_turn(const Vocabulary& vocabulary) {
  for (const char* name : {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>"})
    for (std::size_t id = 0; id < vocabulary.pieces.size(); ++id)
      if (vocabulary.pieces[id].kind == PieceKind::control && vocabulary.pieces[id].bytes == name)
        return static_cast<int>(id);
  return std::nullopt;
}

}  // namespace

Vocabulary read_gguf_vocabulary(const Metadata& metadata) {
  Vocabulary vocabulary;
  vocabulary.label = metadata.label();
  const std::vector<std::string>& texts = read_texts(metadata);
  const std::vector<PieceKind> kinds = read_kinds(metadata, texts.size());
  require_different(texts, kinds, metadata);
  for (std::size_t id = 0; id < texts.size(); ++id)
    vocabulary.pieces.push_back({texts[id], kinds[id]});
  const std::string model = metadata.text("tokenizer.ggml.model").value_or("");
  if (model == "gpt2")
    read_byte_level(metadata, vocabulary);
  else if (model == "llama")
    read_sentencepiece(metadata, vocabulary);
  else
    metadata.fail("tokenizer.ggml.model",
                  io::in_quotes(model) + " is not supported, must be gpt2 or llama");
  vocabulary.bos = read_id(metadata, "bos", vocabulary);
  vocabulary.eos = read_id(metadata, "eos", vocabulary);
  // The unknown token of a byte-level file is a formality: GPT-2's rule leaves bytes out.
  if (vocabulary.units == Units::characters)
    vocabulary.unknown = read_id(metadata, "unknown", vocabulary);
  vocabulary.end_of_turn = read_id(metadata, "eot", vocabulary);
  if (!vocabulary.end_of_turn) vocabulary.end_of_turn = find_end_of_turn(vocabulary);
  vocabulary.adds_bos = metadata.flag("tokenizer.ggml.add_bos_token").value_or(vocabulary.adds_bos);
  vocabulary.chat_template = metadata.text("tokenizer.chat_template").value_or("");
  return vocabulary;
}

}  // namespace subquad::tokenizer
