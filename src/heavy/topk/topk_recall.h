// The share of the true k best keys that lists of candidates hold, on a sample of rows.
#pragma once

#include <cstdint>

#include "rows/head_problem.h"
#include "core/rng.h"
#include "parts/heavy.h"
#include "heavy/topk/kept_keys.h"

namespace subquad {

struct RecallSample {
  std::int64_t k;     // keys a row looks for
  std::int64_t rows;  // sampled, one from each of equal strata; all if there are no more
  Rng rng;
};

// wanted: the sampled rows' visible keys, at most k each. found: listed keys whose score is no
// lower than the true k-th. 2 n D flops a sampled row. Bits do not depend on `threads`.
SearchRecall measure_recall(const HeadProblem& head, const KeptLists& kept,
                            const RecallSample& sample, int threads);

}  // namespace subquad
