#include "recipes/split_attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>

#include "core/threads.h"
#include "exact/write_rows.h"

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

 private:
  std::atomic<std::int64_t>* entries_;
};

// One head's way through the parts.
class HeadRun {
 public:
  HeadRun(const HeadProblem& head, const Method& method, const Outputs& outputs, std::uint64_t seed,
          int threads)
      : head_(head), outputs_(outputs), threads_(threads) {
    const Rng rng(seed, head.kv_head);
    for (const auto& rule : method.heavy)
      for (auto& set : rule->find(head, rng, threads)) sets_.push_back(std::move(set));
    // Sets that want their rows grouped come first: the last of them leads the final pass, and
    // everything else joins it there.
    std::stable_partition(sets_.begin(), sets_.end(),
                          [](const auto& set) { return !set->row_groups().empty(); });
    for (const auto& set : sets_) {
      grouped_ += set->row_groups().empty() ? 0 : 1;
      all_sets_.push_back(set.get());
    }
    if (method.light != nullptr) light_ = method.light->prepare(head, rng, threads);
  }

  SplitCounts run() {
    for (std::size_t s = 0; s + 1 < grouped_; ++s) early_pass(s);
    final_pass();
    redo_rejected();
    return {static_cast<std::int64_t>(rejected_.size()), entries_};
  }

 private:
  EntrySets sets_before(std::size_t s) const {
    return {all_sets_.begin(), all_sets_.begin() + static_cast<std::ptrdiff_t>(s)};
  }

  template <typename Function>
  void for_groups(std::span<const IndexList> groups, const Function& function) {
    parallel_workers(threads_, static_cast<std::int64_t>(groups.size()), [&] {
      return [&, worker = Worker(head_, entries_)](std::int64_t g) mutable {
        worker.rows.load(head_, groups[static_cast<std::size_t>(g)]);
        function(worker, g);
      };
    });
  }

  // A grouped set that is not the last one: its sums wait, row by row, for the final pass.
  void early_pass(std::size_t s) {
    if (s == 0) {
      waiting_ = PartialBuffer(head_.num_rows(), head_.value_dim());
      set_identity(waiting_.view(head_.num_rows()));
    }
    const EntrySets taken = sets_before(s);
    for_groups(sets_[s]->row_groups(), [&](Worker& worker, std::int64_t g) {
      sets_[s]->add_to(worker.rows, g, taken, worker.scratch);
      exchange_waiting(worker.rows, false);
    });
  }

  // Merges rows with what waits for them: into the waiting sums, or into the block.
  void exchange_waiting(RowBlock& rows, bool into_block) {
    const Partial waiting = waiting_.view(head_.num_rows()), block = rows.partial();
    for (std::int64_t i = 0; i < rows.rows().count; ++i) {
      const Partial stored = waiting.slice(rows.rows()[i], 1), row = block.slice(i, 1);
      into_block ? merge_into(row, stored) : merge_into(stored, row);
    }
  }

  void final_pass() {
    std::vector<IndexList> blocks;
    std::span<const IndexList> groups;
    if (grouped_ > 0) {
      groups = sets_[grouped_ - 1]->row_groups();
    } else {
      blocks = plain_blocks();
      groups = blocks;
    }
    const std::size_t first = grouped_ > 0 ? grouped_ - 1 : 0;
    for_groups(groups, [&](Worker& worker, std::int64_t g) {
      for (std::size_t s = first; s < sets_.size(); ++s)
        sets_[s]->add_to(worker.rows, g, sets_before(s), worker.scratch);
      if (grouped_ > 1) exchange_waiting(worker.rows, true);
      if (light_ != nullptr) light_->add_to(worker.rows, all_sets_, worker.scratch);
      finish(worker);
    });
  }

  std::vector<IndexList> plain_blocks() const {
    const std::int64_t step = row_block_size(head_.head_dim(), head_.value_dim());
    std::vector<IndexList> blocks;
    for (std::int64_t begin = 0; begin < head_.num_rows(); begin += step)
      blocks.push_back(index_range(begin, std::min(begin + step, head_.num_rows())));
    return blocks;
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
    if (light_ != nullptr)
      light_->squared_error(worker.rows, all_sets_, worker.scratch, squared.data());
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
  std::vector<std::unique_ptr<HeavySet>> sets_;
  EntrySets all_sets_;
  std::size_t grouped_ = 0;  // sets_[0 .. grouped_) have row groups
  std::unique_ptr<LightPart> light_;
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
