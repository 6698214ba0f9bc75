// Masked scores of a block of rows against a tile of keys, a register block at a time: exact
// attention's inner step without values.
#pragma once

#include <algorithm>
#include <cstdint>

#include "rows/attend_tile.h"

namespace subquad {

// Some query rows of a head, ascending.
struct HeadRows {
  const HeadProblem* head = nullptr;
  IndexList rows;
};

// One thread's working memory. The values of the problem are packed and not used: give it
// without_values().
class ScoreTiles {
 public:
  ScoreTiles(std::int64_t head_dim, std::int64_t max_rows, std::int64_t max_keys);

  void load_rows(const HeadProblem& head, const IndexList& rows) { rows_.load(head, rows); }
  void load_keys(const HeadProblem& head, const IndexList& keys) { tile_.pack(head, keys); }

  // Calls visit(rows, columns, panel): base-2 logits of rows [rows.begin, rows.end) of the block
  // over columns [columns.begin, columns.end) of the tile, -inf where hidden. Register blocks that
  // see no key of the tile are skipped. 2 rows keys head_dim flops.
  template <typename Visit>
  void for_each_panel(const HeadProblem& head, const Visit& visit) {
    const std::int64_t step = kernels::blocking().rows, count = rows_.rows().count;
    for (std::int64_t begin = 0; begin < count; begin += step) {
      const Range rows{begin, std::min(begin + step, count)};
      Range columns = visible_columns(head, rows_.rows(), rows.begin, rows.end, tile_.keys());
      if (columns.empty()) continue;
      columns.begin -= columns.begin % kernels::blocking().panel;
      score(head, rows, columns);
      visit(rows, columns, panel_);
    }
  }

 private:
  void score(const HeadProblem& head, const Range& rows, const Range& columns);

  RowBlock rows_;
  KeyTile tile_;
  ScorePanel panel_;
};

}  // namespace subquad
