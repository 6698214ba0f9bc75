// Exact attention, tiled: never n x n in memory, one online softmax per row.
//
// use when: the yardstick, short sequences, or an error of rounding size is asked for.
// cost: 2 Lq Lk (D + Dv) flops a query head; scratch below 3 MB a thread, plus one partial row for
// each of at most 8 key splits where there are too few rows to share out (decoding). On a matrix
// unit (exact/tile_forward.h) the packed keys and values of some heads besides.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "exact/precision.h"
#include "exact/row_errors.h"
#include "rows/head_problem.h"
#include "core/index_list.h"
#include "subquad/attention.h"

namespace subquad {

struct ExactRun {
  std::string path;  // "packed", "streamed" or "packed+streamed", with ":split" when keys were
                     // split; "bf16-amx" or "split3-amx" on a matrix unit, "+.." for heads
                     // of few rows; with skips "skipped 31 % of tiles"
  std::int64_t scored_entries = 0;
  bool on_tiles = false;    // of bf16: weights of some rows were rounded to it, or numbers split
  ErrorTotals errors = {};  // of splitting, or of skipping
};

// All rows of all heads.
ExactRun exact_forward(std::span<const HeadProblem> heads, const Outputs& outputs, int threads,
                       const ExactPrecision& precision = {});
// Likewise, of any type.
ExactRun exact_forward_in_f32(std::span<const HeadProblem> heads, const Outputs& outputs,
                              int threads);

// The listed rows of one head, on the calling thread.
void exact_rows(const HeadProblem& head, const IndexList& rows, const Outputs& outputs);

}  // namespace subquad
