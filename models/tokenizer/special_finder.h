// Finds the tokens that stand in a text by name.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace subquad::tokenizer {

class SpecialFinder {
 public:
  // The pieces of the kinds user_defined and, with `control`, control and unknown.
  SpecialFinder(const std::vector<Piece>& pieces, bool control);

  struct Found {
    std::size_t begin = 0, end = 0;
    int id = -1;  // -1 for none
  };
  // The leftmost from `from` on; of several there the longest.
  Found find(std::string_view text, std::size_t from) const;

 private:
  struct Name {
    std::string_view text;
    int id = -1;
  };
  std::array<std::vector<Name>, 256> names_;  // by first byte, longest first
};

}  // namespace subquad::tokenizer
