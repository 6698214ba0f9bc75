// The rows whose candidates come from one index.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "rows/row_pieces.h"

namespace subquad {

// Strict: pieces whose index follows from keys that all of their rows see, short ones searched in
// full; else all rows together.
inline std::vector<RowPiece> search_pieces(const HeadProblem& head, std::int64_t k, bool strict) {
  constexpr std::int64_t kShortest = 32;
  if (!strict) return {whole_piece(head)};
  return cut_rows(head, std::max(2 * std::min(k, head.num_keys), kShortest));
}

}  // namespace subquad
