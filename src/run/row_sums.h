// The forward way through a plan, up to the rows' sums.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "rows/attend_run.h"
#include "parts/implied_sums.h"
#include "run/head_plan.h"

namespace subquad {

// A thread's memory, and what it has when a group of rows is done: their sums, all parts merged,
// and the runs that the light part has named.
struct SummedRows {
  SummedRows(const HeadProblem& head, const HeadPlan& plan)
      : rows(head.head_dim(), head.value_dim(), row_block_size(head.head_dim(), head.value_dim())),
        scratch(head.head_dim(), head.value_dim()) {
    if (plan.light().model != nullptr && !plan.sets().empty())
      implied.emplace(head, plan.light().model->implied());
  }

  RowBlock rows;
  TileScratch scratch;
  RunList runs;
  std::optional<ImpliedSums> implied;  // where a model has entries to lose
};

// Calls finish(worker) for each group of the last pass, that is once for every row of the head,
// from several threads. Returns the score entries evaluated, finish() included.
std::int64_t sum_rows(const HeadProblem& head, const HeadPlan& plan, int threads,
                      const std::function<void(SummedRows&)>& finish);

}  // namespace subquad
