// Scores of one row against listed keys, read where they lie.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "rows/row_block.h"
#include "rows/score_filter.h"

namespace subquad {

// One thread's memory. 2 D flops a key.
class RowScores {
 public:
  explicit RowScores(const HeadProblem& head) : head_(head), query_(head.head_dim(), 1, 1) {}

  // Base-2 logits, -inf where hidden; NaN counts as +inf. They stay until the next call.
  std::span<const float> of(std::int64_t row, const IndexList& keys);

 private:
  const HeadProblem& head_;
  RowBlock query_;
  FilterScratch filter_;
  std::vector<float> scores_;
};

}  // namespace subquad
