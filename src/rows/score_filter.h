// Which entries of a score tile count: the problem's masks, and the keys that other parts have
// taken.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "core/index_list.h"

namespace subquad {

// Reusable memory for gathering mask elements and labels.
struct FilterScratch {
  std::vector<float> additive;
  std::vector<std::uint8_t> boolean;
  std::vector<std::int32_t> labels;
};

// By row and by key of the head: 1 where a set holds all entries of it. Empty: of none.
struct WholeEntries {
  std::span<const std::uint8_t> rows = {}, keys = {};
};

// A set of (row, key) entries that a tile must leave out because another part evaluates them. One
// virtual call a register block of rows and tile: under a thousandth of the block's arithmetic.
class EntrySet {
 public:
  virtual ~EntrySet() = default;
  // Whether any of rows x keys may be in the set; a false "maybe" only costs time. Asked once for a
  // group of rows and a run of keys.
  virtual bool may_meet(const IndexList& rows, const IndexList& keys) const {
    return rows.count > 0 && keys.count > 0;
  }
  // Columns of `keys` outside which every entry of these rows is in the set.
  virtual Range columns_left(const IndexList& rows, const IndexList& keys) const {
    return {0, rows.count > 0 ? keys.count : 0};
  }
  // scores[r * stride + c] = -inf where (rows[r], keys[c]) is in the set.
  virtual void remove(const IndexList& rows, const IndexList& keys, float* scores,
                      std::int64_t stride, FilterScratch& scratch) const = 0;
  // What a model may leave out of its sums altogether; lives as long as the set.
  virtual WholeEntries whole() const { return {}; }
};
using EntrySets = std::vector<const EntrySet*>;

// The columns of the tile that rows [begin, end) of `rows` may see, for sorted keys; all columns
// otherwise.
Range visible_columns(const HeadProblem& head, const IndexList& rows, std::int64_t begin,
                      std::int64_t end, const IndexList& keys);

// Applies the problem's masks to one row of scores over the tile's columns [columns.begin,
// columns.end): scores[0] belongs to columns.begin. `bias` as in KeyTile.
void filter_row(const HeadProblem& head, std::int64_t row, const IndexList& keys,
                const Range& columns, const float* bias, float* scores, FilterScratch& scratch);

// Masks of the problem and of `left_out` on the scores of some rows, `stride` floats apart.
void filter_scores(const HeadProblem& head, const IndexList& rows, const IndexList& keys,
                   const Range& columns, const float* bias, const EntrySets& left_out,
                   float* scores, std::int64_t stride, FilterScratch& scratch);

// scores[c] = -inf where keys[c] lies inside (outside) the range.
void mask_keys_inside(const IndexList& keys, const Range& range, float* scores);
void mask_keys_outside(const IndexList& keys, const Range& range, float* scores);

// Columns of sorted keys that lie in the range.
Range columns_in(const IndexList& keys, const Range& range);

}  // namespace subquad
