// The forward way through a plan, up to the rows' sums.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "exact/tile_forward.h"
#include "kernels/tiles/tile_engine.h"
#include "rows/attend_run.h"
#include "parts/implied_sums.h"
#include "run/head_plan.h"

namespace subquad {

// A thread's memory, and what it has when a group of rows is done: their sums, all parts merged,
// and the runs that the light part has named.
struct SummedRows {
  SummedRows(const HeadProblem& head, const HeadPlan& plan)
      : rows(head.head_dim(), head.value_dim(), row_block_size(head.head_dim(), head.value_dim())),
        scratch(head.head_dim(), head.value_dim(),
                suits_tiles(*head.problem) ? kernels::tile_engine() : nullptr) {
    if (plan.light().model != nullptr && !plan.sets().empty())
      implied.emplace(head, plan.light().model->implied());
  }

  RowBlock rows;
  TileScratch scratch;
  RunList runs;
  std::optional<ImpliedSums> implied;  // where a model has entries to lose
};

struct SummedEntries {
  std::int64_t scored = 0;
  std::int64_t on_tiles = 0;  // of those, on tiles of bf16
};

// Calls finish(worker) for each group of the last pass, that is once for every row of the head,
// from several threads. Returns the score entries evaluated, finish() included.
SummedEntries sum_rows(const HeadProblem& head, const HeadPlan& plan, int threads,
                       const std::function<void(SummedRows&)>& finish);

}  // namespace subquad
