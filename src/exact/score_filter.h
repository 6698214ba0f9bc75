// Which entries of a score tile count: the problem's masks, and the keys that other parts have taken.
#pragma once

#include <cstdint>
#include <vector>

#include "core/head_problem.h"
#include "core/index_list.h"

namespace subquad {

// A set of (row, key) entries that a tile must leave out because another part evaluates them. One
// virtual call a row and tile: under a hundredth of the row's multiply-adds.
class EntrySet {
 public:
  virtual ~EntrySet() = default;
  // scores[c] = -inf where (row, keys[c]) is in the set; keys.count scores.
  virtual void remove(std::int64_t row, const IndexList& keys, float* scores) const = 0;
};
using EntrySets = std::vector<const EntrySet*>;

// Reusable memory for gathering mask elements.
struct FilterScratch {
  std::vector<float> additive;
  std::vector<std::uint8_t> boolean;
};

// The columns of the tile that rows [begin, end) of `rows` may see, for a contiguous tile; all
// columns for a gathered one.
Range visible_columns(const HeadProblem& head, const IndexList& rows, std::int64_t begin,
                      std::int64_t end, const IndexList& keys);

// Masks one row of scores over the tile's columns [columns.begin, columns.end): scores[0] belongs to
// columns.begin. `bias` as in KeyTile.
void filter_row(const HeadProblem& head, std::int64_t row, const IndexList& keys,
                const Range& columns, const float* bias, const EntrySets& taken, float* scores,
                FilterScratch& scratch);

}  // namespace subquad
