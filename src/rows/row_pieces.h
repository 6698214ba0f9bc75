// Runs of rows that see nearly the same keys: where a causal mask or a window holds, what a row
// gets may depend on the keys that all rows of its piece see, and on nothing later.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"

namespace subquad {

struct RowPiece {
  Range rows;
  Range common;       // keys that all of these rows see
  Range seen;         // keys that any of them sees
  bool leaf = false;  // each row sees few keys: at most the `least` of cut_rows
};

// Pieces of whole query positions in order, all rows together. No row of a piece sees more than
// twice as many keys as are common to it, unless it is a leaf. Causal rows: pieces that end at
// least, 2 least, 4 least, .. keys; a window: pieces of half its length. Without either: one piece.
// O(rows).
std::vector<RowPiece> cut_rows(const HeadProblem& head, std::int64_t least);

// All rows and all keys as one piece, whatever the band.
RowPiece whole_piece(const HeadProblem& head);

// The pieces that hold some of rows [begin, end).
std::vector<RowPiece>::const_iterator first_piece(const std::vector<RowPiece>& pieces,
                                                  std::int64_t begin);

}  // namespace subquad
