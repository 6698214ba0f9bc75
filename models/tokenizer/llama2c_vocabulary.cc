#include <bit>
#include <cmath>

#include <fmt/format.h>

#include "io/cursor.h"
#include "io/text.h"
#include "tokenizer/formats.h"
#include "tokenizer/merge_rules.h"
#include "tokenizer/sentencepiece.h"

namespace subquad::tokenizer {
namespace {

PieceKind kind_of(std::size_t id, std::string_view text) {
  if (id == 0) return PieceKind::unknown;
  if (id <= 2) return PieceKind::control;
  return byte_named(text) >= 0 ? PieceKind::byte : PieceKind::normal;
}

}  // namespace

// The longest piece's length, then a score, a length and a text for each id.
Vocabulary parse_llama2c_vocabulary(std::span<const std::byte> bytes, const std::string& label) {
  const io::Source source(io::printable(label));
  Vocabulary vocabulary;
  vocabulary.label = source.label();
  vocabulary.units = Units::characters;
  vocabulary.space_prefix = SpacePrefix::each;
  vocabulary.adds_bos = true;
  io::Cursor cursor(bytes, source);
  (void)cursor.read<std::uint32_t>("longest piece");
  std::vector<double> scores;
  while (cursor.remaining() > 0) {
    const std::string field = fmt::format("piece {}", scores.size());
    scores.push_back(std::bit_cast<float>(cursor.read<std::uint32_t>(field)));
    if (!std::isfinite(scores.back())) source.fail(field, "its score is not finite");
    const auto length = cursor.read<std::uint32_t>(field);
    const std::string_view text = io::as_text(cursor.take(length, field));
    const PieceKind kind = kind_of(scores.size() - 1, text);
    const bool byte = kind == PieceKind::byte;
    vocabulary.pieces.push_back(
        {byte ? std::string(1, static_cast<char>(byte_named(text))) : std::string(text), kind});
  }
  if (scores.size() < 3) source.fail("pieces", "must be at least 3");
  vocabulary.unknown = 0;
  vocabulary.bos = 1;
  vocabulary.eos = 2;
  vocabulary.merges = rules_of_scores(vocabulary.pieces, scores);
  return vocabulary;
}

}  // namespace subquad::tokenizer
