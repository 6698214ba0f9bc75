// Which blocks of keys score highest at their means: for each row by its own query, or for each
// block of rows by their mean query.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "index/key_blocks.h"
#include "parts/row_lists.h"
#include "rows/head_problem.h"
#include "rows/placed_rows.h"

namespace subquad {

class BlockChoice {
 public:
  // `head` must outlive this. keep: blocks of a list.
  BlockChoice(const HeadProblem& head, std::int64_t block, std::int64_t keep, int threads);

  // List r, of row r: the best of the blocks that it sees whole, and all that it sees in part.
  RowLists by_row(int threads) const;
  // List c * group + g, of rows [c block, (c + 1) block) of the group's query head g: the best of
  // all blocks that any of these rows sees something of. Queries that see nothing or are not finite
  // do not count.
  RowLists by_query_block(int threads) const;

 private:
  // Scores of `rows` dense queries at all blocks.
  void score(const float* queries, std::int64_t rows, float* scores) const;
  // Puts the best of `among` into a list.
  void choose(const float* scores, const Range& among, std::vector<std::int32_t>& list) const;
  std::vector<std::int32_t> list_of_row(std::int64_t row, const float* scores) const;
  std::vector<std::int32_t> list_of_rows(std::int64_t list, float* scores) const;
  void mean_query(const IndexList& placed, std::int64_t head_in_group, float* query) const;

  const HeadProblem& head_;
  KeyBlocks blocks_;
  PlacedRows placed_;
  std::int64_t keep_, stride_, panel_stride_ = 0;
  Scratch<float> packed_means_;
};

}  // namespace subquad
