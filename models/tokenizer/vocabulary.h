// A tokenizer as a file describes it, whatever the file's format.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace subquad::tokenizer {

enum class PieceKind : std::uint8_t {
  normal,
  unknown,       // stands for what has no token
  control,       // such as the beginning of a text: part of a text only where the caller says so
  user_defined,  // found in a text before all others
  unused,
  byte  // one byte, for text that no other token covers
};

// How text becomes symbols, the smallest units.
enum class Units : std::uint8_t {
  bytes,      // GPT-2: the vocabulary has a piece for each byte
  characters  // SentencePiece: characters; bytes where the vocabulary lacks one
};

// Whether a text is read as if a space came before it.
enum class SpacePrefix : std::uint8_t {
  none,
  each,          // each part of a text between special tokens
  unless_space,  // the same, but where a part begins with one already
  first          // the part that a text begins with, unless with a space
};

struct Piece {
  std::string bytes;  // what it stands for in a text; of a control piece its name
  PieceKind kind = PieceKind::normal;
};

// Pieces `left`, `right` side by side become `merged`. Lower ranks first, and of equal ranks the
// leftmost. -1 - c stands for a character c that is no piece.
struct MergeRule {
  int left = 0;
  int right = 0;
  int rank = 0;
  int merged = 0;
};

struct Vocabulary {
  std::string label;  // the file, for messages
  Units units = Units::bytes;
  std::vector<Piece> pieces;  // by id
  std::vector<MergeRule> merges;
  // Regular expressions that cut a text into words, each applied to what the one before left; no
  // merge reaches across words.
  std::vector<std::string> word_patterns;
  bool whole_words = false;  // a word that is a piece is taken as such, whatever the merges
  SpacePrefix space_prefix = SpacePrefix::none;
  bool composes = false;  // texts are read in the composed form (NFC)
  std::optional<int> bos, eos, end_of_turn, unknown;
  std::vector<int> more_ends;  // that end a text as eos does
  bool adds_bos = false;       // whether the model expects a text to begin with bos
  std::string chat_template;
};

}  // namespace subquad::tokenizer
