// The k best of each row's candidates, by their exact scores.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "heavy/topk/candidates.h"
#include "heavy/topk/kept_keys.h"
#include "rows/row_scores.h"

namespace subquad {

// Ranks one row at a time; one a thread.
class CandidateRanker {
 public:
  CandidateRanker(const HeadProblem& head, std::int64_t k) : head_(head), k_(k), scores_(head) {}

  // Writes the keys with the k largest scores, as topk_select.h says, of these ascending keys;
  // hidden keys never. Returns how many there are.
  std::int64_t rank(std::int64_t row, const IndexList& keys, std::int32_t* best);
  // Of all keys that the row may see.
  std::int64_t rank_visible(std::int64_t row, std::int32_t* best);

 private:
  const HeadProblem& head_;
  std::int64_t k_;
  RowScores scores_;
  CutScratch cut_;
  std::vector<float> seen_scores_;
  std::vector<std::int32_t> seen_places_;
};

// Row r's candidates are keys[offsets[r]] .. keys[offsets[r + 1] - 1], ascending. k >= 1. 2 D flops
// a candidate, read where it lies. Bits do not depend on `threads`.
KeptLists rank_candidates(const HeadProblem& head, std::span<const std::int64_t> offsets,
                          std::span<const std::int32_t> keys, std::int64_t k, int threads);

}  // namespace subquad
