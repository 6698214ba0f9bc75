#include "rows/row_pieces.h"

#include <algorithm>

namespace subquad {
namespace {

std::int64_t size_of_range(const Range& range) { return range.end - range.begin; }

// The piece with one more position, whose rows see `seen`.
RowPiece extended(RowPiece piece, const Range& seen, std::int64_t group) {
  piece.rows.end += group;
  piece.common = {std::max(piece.common.begin, seen.begin), std::min(piece.common.end, seen.end)};
  piece.common.end = std::max(piece.common.begin, piece.common.end);
  if (!seen.empty())
    piece.seen = piece.seen.empty() ? seen
                                    : Range{std::min(piece.seen.begin, seen.begin),
                                            std::max(piece.seen.end, seen.end)};
  return piece;
}

}  // namespace

RowPiece whole_piece(const HeadProblem& head) {
  return {{0, head.num_rows()}, {0, head.num_keys}, {0, head.num_keys}};
}

std::vector<RowPiece> cut_rows(const HeadProblem& head, std::int64_t least) {
  if (!head.has_band()) return {whole_piece(head)};
  std::vector<RowPiece> pieces;
  std::int64_t largest = 0;  // keys that a row of the last piece sees
  for (std::int64_t row = 0; row < head.num_rows(); row += head.group) {
    const Range seen = head.visible(row);
    const bool leaf = size_of_range(seen) <= least;
    if (!pieces.empty() && pieces.back().leaf == leaf) {
      const RowPiece longer = extended(pieces.back(), seen, head.group);
      const std::int64_t now_largest = std::max(largest, size_of_range(seen));
      if (leaf || now_largest <= 2 * size_of_range(longer.common)) {
        pieces.back() = longer;
        largest = now_largest;
        continue;
      }
    }
    largest = size_of_range(seen);
    pieces.push_back({{row, row + head.group}, seen, seen, leaf});
  }
  return pieces;
}

std::vector<RowPiece>::const_iterator first_piece(const std::vector<RowPiece>& pieces,
                                                  std::int64_t begin) {
  return std::partition_point(pieces.begin(), pieces.end(),
                              [&](const RowPiece& piece) { return piece.rows.end <= begin; });
}

}  // namespace subquad
