#include "run/row_sums.h"

#include <atomic>

#include "core/threads.h"
#include "run/subtract.h"

namespace subquad {
namespace {

class RowSummation {
 public:
  RowSummation(const HeadProblem& head, const HeadPlan& plan, int threads)
      : head_(head), plan_(plan), threads_(threads) {}

  SummedEntries run(const std::function<void(SummedRows&)>& finish) {
    const std::span<const PlanPass> passes = plan_.passes();
    if (passes.size() > 1) {
      waiting_ = PartialBuffer(head_.num_rows(), head_.value_dim());
      set_identity(waiting_.view(head_.num_rows()));
    }
    // The sums of a pass that is not the last one wait, row by row, for it.
    for (const PlanPass& pass : passes.first(passes.size() - 1))
      for_groups(pass, [&](SummedRows& worker) { exchange_waiting(worker.rows, false); });
    for_groups(passes.back(), [&](SummedRows& worker) {
      if (passes.size() > 1) exchange_waiting(worker.rows, true);
      add_light(worker);
      finish(worker);
    });
    return {entries_, on_tiles_};
  }

 private:
  // One thread's memory; what it counted is added up when the thread is done.
  struct CountedRows : SummedRows {
    explicit CountedRows(RowSummation& all) : SummedRows(all.head_, all.plan_), all(&all) {}
    CountedRows(const CountedRows&) = delete;
    CountedRows& operator=(const CountedRows&) = delete;
    ~CountedRows() {
      all->entries_ += scratch.panel.entries();
      if (scratch.on_tiles) all->on_tiles_ += scratch.on_tiles->entries();
    }

    RowSummation* all;
  };

  template <typename Function>
  void for_groups(const PlanPass& pass, const Function& function) {
    parallel_workers(threads_, static_cast<std::int64_t>(pass.groups.size()), [&] {
      return [&, worker = CountedRows(*this)](std::int64_t g) mutable {
        worker.rows.load(head_, pass.groups[static_cast<std::size_t>(g)]);
        for (const PlanStep& step : pass.steps) add_step(step, g, worker);
        function(worker);
      };
    });
  }

  void add_step(const PlanStep& step, std::int64_t group, SummedRows& worker) const {
    worker.runs.clear();
    step.set->add_runs(worker.rows.rows(), group, worker.runs);
    for (const KeyRun& run : worker.runs.runs()) {
      attend_run(head_, worker.rows, run, step.taken, worker.scratch);
      if (worker.implied && !step.leaves_whole)
        subtract_entries(head_, run, step.taken, worker.rows, *worker.implied, worker.scratch);
    }
    if (step.leaves_whole) plan_.light().model->subtract_near_field(worker.rows, group);
  }

  void add_light(SummedRows& worker) const {
    worker.runs.clear();
    const auto& [order, sampler, model, budget, shared_errors] = plan_.light();
    if (sampler != nullptr) sampler->add_runs(worker.rows.rows(), worker.runs);
    if (model != nullptr)
      model->add_estimate(head_, worker.rows, plan_.sets(), worker.scratch, worker.runs);
    else if (sampler != nullptr)
      sampler->add_sums(head_, worker.rows, plan_.sets(), worker.scratch, worker.runs);
  }

  // Merges rows with what waits for them: into the waiting sums, or into the block.
  void exchange_waiting(RowBlock& rows, bool into_block) {
    const Partial waiting = waiting_.view(head_.num_rows()), block = rows.partial();
    for (std::int64_t i = 0; i < rows.rows().count; ++i) {
      const Partial stored = waiting.slice(rows.rows()[i], 1), row = block.slice(i, 1);
      into_block ? merge_into(row, stored) : merge_into(stored, row);
    }
  }

  const HeadProblem& head_;
  const HeadPlan& plan_;
  int threads_;
  PartialBuffer waiting_;
  std::atomic<std::int64_t> entries_{0}, on_tiles_{0};
};

}  // namespace

SummedEntries sum_rows(const HeadProblem& head, const HeadPlan& plan, int threads,
                       const std::function<void(SummedRows&)>& finish) {
  return RowSummation(head, plan, threads).run(finish);
}

}  // namespace subquad
