#include "recipes/split_attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>

#include "core/threads.h"
#include "exact/tile_scratch.h"
#include "exact/write_rows.h"
#include "light/sample_error.h"
#include "recipes/head_plan.h"

namespace subquad {
namespace {

// One thread's memory, and what it counted; the counts are added up when the thread is done.
class Worker {
 public:
  Worker(const HeadProblem& head, std::atomic<std::int64_t>& entries)
      : rows(head.head_dim(), head.value_dim(), row_block_size(head.head_dim(), head.value_dim())),
        scratch(head.head_dim(), head.value_dim()),
        entries_(&entries) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() { *entries_ += scratch.panel.entries(); }

  RowBlock rows;
  TileScratch scratch;
  RunList runs;

 private:
  std::atomic<std::int64_t>* entries_;
};

// One head's way through its plan.
class HeadRun {
 public:
  HeadRun(const HeadProblem& head, const Method& method, const Outputs& outputs, std::uint64_t seed,
          int threads)
      : head_(head), outputs_(outputs), threads_(threads), plan_(head, method, seed, threads) {}

  SplitCounts run() {
    const std::span<const PlanPass> passes = plan_.passes();
    if (passes.size() > 1) {
      waiting_ = PartialBuffer(head_.num_rows(), head_.value_dim());
      set_identity(waiting_.view(head_.num_rows()));
    }
    for (const PlanPass& pass : passes.first(passes.size() - 1)) early_pass(pass);
    final_pass(passes.back());
    redo_rejected();
    return {static_cast<std::int64_t>(rejected_.size()), entries_};
  }

 private:
  template <typename Function>
  void for_groups(const PlanPass& pass, const Function& function) {
    parallel_workers(threads_, static_cast<std::int64_t>(pass.groups.size()), [&] {
      return [&, worker = Worker(head_, entries_)](std::int64_t g) mutable {
        worker.rows.load(head_, pass.groups[static_cast<std::size_t>(g)]);
        for (const PlanStep& step : pass.steps) {
          worker.runs.clear();
          step.set->add_runs(worker.rows.rows(), g, worker.runs);
          attend_runs(worker, step.taken);
        }
        function(worker);
      };
    });
  }

  void attend_runs(Worker& worker, const EntrySets& taken) const {
    for (const KeyRun& run : worker.runs.runs())
      attend_run(head_, worker.rows, run, taken, worker.scratch);
  }

  // The sums of a pass that is not the last one wait, row by row, for it.
  void early_pass(const PlanPass& pass) {
    for_groups(pass, [&](Worker& worker) { exchange_waiting(worker.rows, false); });
  }

  // Merges rows with what waits for them: into the waiting sums, or into the block.
  void exchange_waiting(RowBlock& rows, bool into_block) {
    const Partial waiting = waiting_.view(head_.num_rows()), block = rows.partial();
    for (std::int64_t i = 0; i < rows.rows().count; ++i) {
      const Partial stored = waiting.slice(rows.rows()[i], 1), row = block.slice(i, 1);
      into_block ? merge_into(row, stored) : merge_into(stored, row);
    }
  }

  void final_pass(const PlanPass& pass) {
    for_groups(pass, [&](Worker& worker) {
      if (plan_.passes().size() > 1) exchange_waiting(worker.rows, true);
      worker.runs.clear();
      if (plan_.light() != nullptr) plan_.light()->add_runs(worker.rows.rows(), worker.runs);
      attend_runs(worker, plan_.sets());
      finish(worker);
    });
  }

  void finish(Worker& worker) {
    std::vector<std::int32_t> rejected;
    write_rows(head_, worker.rows.rows(), worker.rows.partial(), outputs_, &rejected);
    // After the sinks have joined the sums. Rejected rows get theirs with the exact second try.
    if (!outputs_.row_error.empty()) write_errors(worker);
    if (rejected.empty()) return;
    const std::lock_guard lock(mutex_);
    rejected_.insert(rejected_.end(), rejected.begin(), rejected.end());
  }

  void write_errors(Worker& worker) {
    const IndexList& rows = worker.rows.rows();
    std::vector<float> squared(static_cast<std::size_t>(rows.count),
                               std::numeric_limits<float>::quiet_NaN());
    if (plan_.light() != nullptr)
      sample_errors(head_, worker.rows, worker.runs.runs(), plan_.sets(), worker.scratch,
                    squared.data());
    for (std::int64_t i = 0; i < rows.count; ++i) {
      const bool hidden = head_.visible(rows[i]).empty();
      const float error = hidden ? 0.0f : std::sqrt(squared[static_cast<std::size_t>(i)]);
      write_row_error(head_, rows.slice(i, 1), outputs_, error);
    }
  }

  void redo_rejected() {
    std::sort(rejected_.begin(), rejected_.end());
    const std::int64_t step = row_block_size(head_.head_dim(), head_.value_dim());
    const auto count = static_cast<std::int64_t>(rejected_.size());
    parallel_for(threads_, (count + step - 1) / step, [&](std::int64_t block) {
      const std::int64_t begin = block * step;
      exact_rows(head_, {rejected_.data() + begin, 0, std::min(step, count - begin)}, outputs_);
    });
  }

  const HeadProblem& head_;
  const Outputs& outputs_;
  int threads_;
  HeadPlan plan_;
  PartialBuffer waiting_;
  std::atomic<std::int64_t> entries_{0};
  std::mutex mutex_;
  std::vector<std::int32_t> rejected_;
};

}  // namespace

SplitCounts split_attention(std::span<const HeadProblem> heads, const Method& method,
                            const Outputs& outputs, const Options& options) {
  const int threads = resolved_threads(options.threads);
  const auto count = static_cast<std::int64_t>(heads.size());
  // Enough heads: one thread each. Few: all threads on one head after the other.
  const bool by_head = count / 2 >= threads;
  std::vector<SplitCounts> counts(heads.size());
  parallel_for(by_head ? threads : 1, count, [&](std::int64_t h) {
    const auto i = static_cast<std::size_t>(h);
    if (heads[i].num_rows() == 0) return;
    counts[i] = HeadRun(heads[i], method, outputs, options.seed, by_head ? 1 : threads).run();
  });
  SplitCounts total;
  for (const SplitCounts& c : counts) {
    total.fallback_rows += c.fallback_rows;
    total.scored_entries += c.scored_entries;
  }
  return total;
}

}  // namespace subquad
