#include "run/forward.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>

#include "core/threads.h"
#include "exact/forward.h"
#include "rows/write_rows.h"
#include "run/sample_error.h"
#include "run/row_sums.h"
#include "run/each_plan.h"

namespace subquad {
namespace {

// One head's way through its plan.
class HeadRun {
 public:
  HeadRun(const HeadProblem& head, const HeadPlan& plan, const Outputs& outputs, int threads)
      : head_(head), outputs_(outputs), threads_(threads), plan_(plan) {}

  SplitCounts run() {
    if (plan_.wants_exact()) return run_exactly();
    const SummedEntries entries =
        sum_rows(head_, plan_, threads_, [&](SummedRows& worker) { finish(worker); });
    redo_rejected();
    SplitCounts counts{static_cast<std::int64_t>(rejected_.size()), entries.scored};
    counts.runs_on_tiles = entries.on_tiles > 0;
    counts.negative_rows = negative_;
    counts.recall = plan_.recall(threads_);
    const LightPart& light = plan_.light();
    if (light.sampler != nullptr) light.sampler->finish();
    if (light.budget == nullptr) return counts;
    const ErrorSquares squares = light.budget->squares();
    counts.error_square = squares.error;
    counts.out_square = squares.out;
    return counts;
  }

 private:
  SplitCounts run_exactly() {
    const ExactRun run = exact_forward({&head_, 1}, outputs_, threads_);
    return {0, run.scored_entries, 1, run.on_tiles};
  }

  void finish(SummedRows& worker) {
    std::vector<std::int32_t> rejected;
    if (plan_.divides_any_sum()) {
      negative_ += write_signed_rows(head_, worker.rows.rows(), worker.rows.partial(), outputs_);
    } else {
      write_rows(head_, worker.rows.rows(), worker.rows.partial(), outputs_, &rejected);
    }
    // After the sinks have joined the sums. Rejected rows get theirs with the exact second try.
    if (!outputs_.row_error.empty()) write_errors(worker);
    if (rejected.empty()) return;
    const std::lock_guard lock(mutex_);
    rejected_.insert(rejected_.end(), rejected.begin(), rejected.end());
  }

  void write_errors(SummedRows& worker) {
    const IndexList& rows = worker.rows.rows();
    std::vector<float> squared(static_cast<std::size_t>(rows.count),
                               std::numeric_limits<float>::quiet_NaN());
    const LightPart& light = plan_.light();
    if (light.model != nullptr) {
      light.model->row_errors(worker.rows, plan_.sets(), worker.scratch, squared.data());
      for (float& error : squared) error *= error;
    } else if (light.sampler != nullptr) {
      sample_errors(head_, worker.rows, worker.runs.runs(), plan_.sets(), worker.scratch,
                    squared.data());
    }
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
  const HeadPlan& plan_;
  std::mutex mutex_;
  std::vector<std::int32_t> rejected_;
  std::atomic<std::int64_t> negative_{0};
};

}  // namespace

SplitCounts split_attention(std::span<const HeadProblem> heads, const Method& method,
                            const Outputs& outputs, const Options& options) {
  return run_each_plan(heads, method, options.seed, resolved_threads(options.threads),
                       [&](const HeadProblem& head, const HeadPlan& plan, int threads) {
                         return HeadRun(head, plan, outputs, threads).run();
                       });
}

}  // namespace subquad
