#include "run/backward.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <optional>
#include <vector>

#include "core/threads.h"
#include "rows/attend_tile.h"
#include "exact/backward.h"
#include "exact/tile_backward.h"
#include "rows/backward_keys.h"
#include "rows/backward_rows.h"
#include "rows/backward_sums.h"
#include "rows/backward_tile.h"
#include "rows/backward_turns.h"
#include "rows/extreme_rows.h"
#include "exact/forward.h"
#include "rows/attend_run.h"
#include "run/row_sums.h"
#include "run/each_plan.h"
#include "run/subtract.h"

namespace subquad {
namespace {

constexpr std::int64_t kPendingTiles = 8;    // sums of a batch that wait for its turn
constexpr std::int64_t kEnoughBatches = 32;  // with fewer, batches are made smaller
constexpr std::int64_t kMaxBatch = 8;
constexpr std::int64_t kMinSharedKeys = 32;

// The entries of rows that have met nothing in their sum of weights: the forward threw their other
// sums away. Asked row by row once all runs of weights are done; with a model, which rows
// those are is known from a repeated forward.
class UnmetRows final : public EntrySet {
 public:
  explicit UnmetRows(std::int64_t rows) : met_(static_cast<std::size_t>(rows)) {}

  bool met(std::int64_t row) const { return met_[static_cast<std::size_t>(row)] != 0; }
  void meet(std::int64_t row) { met_[static_cast<std::size_t>(row)] = 1; }
  void meet_all() { std::fill(met_.begin(), met_.end(), std::uint8_t{1}); }

  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch&) const override {
    for (std::int64_t r = 0; r < rows.count; ++r)
      if (!met(rows[r]))
        std::fill_n(scores + r * stride, keys.count, -std::numeric_limits<float>::infinity());
  }

 private:
  std::vector<std::uint8_t> met_;
};

// A run of the group, and the sets whose entries it leaves out. No step: the light part's.
struct PlannedRun {
  KeyRun run;
  const EntrySets* taken;
  const PlanStep* step = nullptr;

  bool light() const { return step == nullptr; }
};

// What the backward pass keeps where a sampler has a gradient of its own: the pull of each row at
// the sum it shares.
struct SharedPulls {
  const SamplerGradient* gradient = nullptr;  // nullptr: a sum of runs, no pulls
  std::vector<double> pulls;                  // by row
};

// What a thread needs to take a group of rows past its keys.
class Worker {
 public:
  Worker(const HeadProblem& head, const HeadPlan& plan, const BackwardArguments& arguments,
         UnmetRows& unmet, SharedPulls& shared, ModelBackward* model = nullptr)
      : Worker(head, plan, arguments, unmet, shared,
               max_backward_keys(head.head_dim(), head.value_dim())) {
    if (model == nullptr) return;
    model_ = model->make_worker();
    implied_.emplace(head, wanted_, model_->entries(), tile_keys_);
  }

  // Groups [groups.begin, groups.end). If another thread fails, the rest is left undone. `turns`
  // has one slot: batches of groups add to the gradients of keys in their order.
  void run(const PlanPass& pass, bool final, const Range& groups, std::int32_t turn, Turns& turns) {
    runs_.clear();
    keys_.forget();  // the lists of runs_ are new ones at old places
    for (std::int64_t group = groups.begin; group < groups.end; ++group)
      if (!run_group(pass, final, group, turn, turns)) return;
    if (!flush(turn, turns)) return;
    if (model_ != nullptr) {
      if (!turns.wait(0, turn)) return;
      model_->flush();
    }
    turns.pass_on(0);
  }

  // A row's light sum that others depend on: `pull` is dL / d log of it.
  void run_shared(const SamplerGradient::Shared& sum, double pull) {
    const auto row = static_cast<std::int32_t>(sum.row);
    rows_.load(head_, arguments_, {&row, 0, 1, true});
    rows_.set_pull(0, static_cast<float>(sum.log2_sum), static_cast<float>(pull));
    KeyRun run;
    run.rows = {0, 1};
    run.keys = index_range(0, head_.num_keys);
    run.sums = Sums::weights;
    Turns turns(1);
    turns.start(0, 0);
    keys_.forget();
    add_run({run, &plan_.sets()}, 0, turns);
    if (wanted_.query) rows_.add_grad_query(head_, arguments_.grad_query);
    sums_.flush(head_, arguments_);
  }

  std::int64_t entries() const { return tile_.entries(); }

 private:
  Worker(const HeadProblem& head, const HeadPlan& plan, const BackwardArguments& arguments,
         UnmetRows& unmet, SharedPulls& shared, std::int64_t tile_keys)
      : head_(head),
        plan_(plan),
        arguments_(arguments),
        wanted_(wanted_gradients(arguments)),
        unmet_(unmet),
        shared_pulls_(shared),
        tile_keys_(tile_keys),
        rows_(head.head_dim(), head.value_dim(), row_block_size(head.head_dim(), head.value_dim())),
        keys_(head.head_dim(), head.value_dim(), tile_keys),
        shared_(head.head_dim(), head.value_dim(), tile_keys),
        sums_(head.head_dim(), head.value_dim(), tile_keys, kPendingTiles),
        tile_(head.head_dim(), head.value_dim(), kBackwardRows, tile_keys, wanted_) {}

  bool run_group(const PlanPass& pass, bool final, std::int64_t group, std::int32_t turn,
                 Turns& turns) {
    const IndexList& rows = pass.groups[static_cast<std::size_t>(group)];
    plan_runs(pass, final, rows, group);
    rows_.load(head_, arguments_, rows);
    if (gradient() != nullptr) learn_rows(final);
    if (model_ != nullptr) begin_model(pass, group);
    for (const PlannedRun& planned : planned_)
      if (!add_run(planned, turn, turns)) return false;
    if (model_ != nullptr) {
      if (final) model_->add_estimate();
      model_->end_group();
    }
    if (wanted_.query) rows_.add_grad_query(head_, arguments_.grad_query);
    return true;
  }

  void begin_model(const PlanPass& pass, std::int64_t group) {
    skipped_.clear();
    any_skipped_ = false;
    for (std::int64_t i = 0; i < rows_.rows().count; ++i) {
      skipped_.push_back(unmet_.met(rows_.rows()[i]) ? 0 : 1);
      any_skipped_ = any_skipped_ || skipped_.back() != 0;
    }
    model_->begin_group(rows_, skipped_);
    for (const PlanStep& step : pass.steps)
      if (step.leaves_whole) model_->subtract_near_field(group);
  }

  // All runs of the group; those that add to weighted values alone come last.
  void plan_runs(const PlanPass& pass, bool final, const IndexList& rows, std::int64_t group) {
    planned_.clear();
    for (const PlanStep& step : pass.steps) {
      const std::size_t before = runs_.runs().size();
      step.set->add_runs(rows, group, runs_);
      plan_from(before, step.taken, &step);
    }
    const std::size_t before = runs_.runs().size();
    const LightPart& light = plan_.light();
    if (final && light.sampler != nullptr) light.sampler->add_runs(rows, runs_);
    plan_from(before, plan_.sets(), nullptr);
    std::stable_partition(planned_.begin(), planned_.end(), [](const PlannedRun& planned) {
      return planned.run.sums != Sums::values;
    });
  }

  void plan_from(std::size_t first, const EntrySets& taken, const PlanStep* step) {
    for (KeyRun run : runs_.runs().subspan(first)) {
      if (step != nullptr && gradient() != nullptr && !gradient()->has_heavy_values())
        run.sums = Sums::weights;
      planned_.push_back({run, &taken, step});
    }
  }

  const SamplerGradient* gradient() const { return shared_pulls_.gradient; }

  void learn_rows(bool final) {
    heavy_factors_.clear();
    for (std::int64_t i = 0; i < rows_.rows().count; ++i) {
      const std::int64_t row = rows_.rows()[i];
      heavy_factors_.push_back(gradient()->heavy_factor(row));
      if (!final || !wanted_.scores() || gradient()->shared().empty() || !unmet_.met(row)) continue;
      const double pull = gradient()->pull(row, double{*rows_.lse_log2(i)});
      // Rows that do not pull stay out even if their offset is not finite.
      if (pull != 0)
        shared_pulls_.pulls[static_cast<std::size_t>(row)] = pull * double{*rows_.offset(i)};
    }
  }

  // The derivative of this run's part of the sum of weights.
  void use_gradient(const PlannedRun& planned) {
    rows_.set_offset_factors(planned.light() ? std::span<const float>() : heavy_factors_);
    if (planned.light() && planned.run.sums == Sums::weights)
      left_out_.push_back(&gradient()->constant_entries());
  }

  bool add_run(const PlannedRun& planned, std::int32_t turn, Turns& turns) {
    const KeyRun& run = planned.run;
    if (run.rows.empty()) return true;
    collect_left_out(run, rows_.rows(), *planned.taken, left_out_);
    if (run.sums == Sums::values || (model_ != nullptr && any_skipped_))
      left_out_.push_back(&unmet_);
    const bool subtracts = model_ != nullptr && !planned.light() && !planned.step->leaves_whole;
    if (gradient() != nullptr) use_gradient(planned);
    for (std::int64_t begin = 0; begin < run.keys.count; begin += tile_keys_) {
      const IndexList keys = run.keys.slice(begin, std::min(tile_keys_, run.keys.count - begin));
      if (tile_columns(head_, rows_.rows(), run.rows, keys, left_out_).empty()) continue;
      // With too many keys in a batch, those before are added first; the turn is then kept.
      if (!sums_.fits(keys) && !flush(turn, turns)) return false;
      const KeySums& sums = sums_.open(keys);
      add_tile(run, keys, begin, sums);
      if (subtracts) subtract_entries(rows_.rows(), run.rows, keys, left_out_, sums, *implied_);
    }
    return true;
  }

  void add_tile(const KeyRun& run, const IndexList& keys, std::int64_t begin, const KeySums& sums) {
    if (!stream_tile(run, keys, begin, sums)) add_packed(run, load(run, keys, begin), sums);
  }

  // Few rows read their keys where they lie, unless these are packed already.
  bool stream_tile(const KeyRun& run, const IndexList& keys, std::int64_t begin,
                   const KeySums& sums) {
    const bool few = run.rows.end - run.rows.begin <= kMaxStreamedRows;
    if (!few || run.packed || !run.tiles.empty() || same_list(keys, keys_.keys())) return false;
    const float* bias = run.bias != nullptr ? run.bias + begin : nullptr;
    tile_.run_streamed(head_, rows_, run.rows, keys, bias, {left_out_, run.sums}, sums);
    note_met(run, run.rows);
    return true;
  }

  bool flush(std::int32_t turn, Turns& turns) {
    if (wanted_.keys() && !turns.wait(0, turn)) return false;
    sums_.flush(head_, arguments_);
    return true;
  }

  // Keys that come packed for the forward are shared by groups: they stay packed here too.
  const BackwardKeys& load(const KeyRun& run, const IndexList& keys, std::int64_t begin) {
    const bool share = !run.tiles.empty() && keys.count >= kMinSharedKeys;
    BackwardKeys& target = share ? shared_ : keys_;
    target.keep(head_, keys, run.bias != nullptr ? run.bias + begin : nullptr, wanted_);
    return target;
  }

  void add_packed(const KeyRun& run, const BackwardKeys& keys, const KeySums& sums) {
    for (std::int64_t begin = run.rows.begin; begin < run.rows.end; begin += kBackwardRows) {
      const Range part{begin, std::min(begin + kBackwardRows, run.rows.end)};
      tile_.run(head_, rows_, part, keys, {left_out_, run.sums}, sums);
      note_met(run, part);
    }
  }

  // Which of the rows that the tile has just seen met an entry of their sum of weights.
  void note_met(const KeyRun& run, const Range& part) {
    if (run.sums == Sums::values || model_ != nullptr) return;
    for (std::int64_t i = part.begin; i < part.end; ++i)
      if (!unmet_.met(rows_.rows()[i]) && tile_.met_any(i - part.begin))
        unmet_.meet(rows_.rows()[i]);
  }

  const HeadProblem& head_;
  const HeadPlan& plan_;
  const BackwardArguments& arguments_;
  WantedGradients wanted_;
  UnmetRows& unmet_;
  SharedPulls& shared_pulls_;
  std::int64_t tile_keys_;
  BackwardRows rows_;
  BackwardKeys keys_, shared_;
  KeySumsBuffer sums_;
  BackwardTile tile_;
  EntrySets left_out_;
  RunList runs_;
  std::vector<PlannedRun> planned_;
  std::vector<float> heavy_factors_;
  std::unique_ptr<ModelBackward::Worker> model_;  // nullptr: the light part is its runs
  std::optional<ImpliedGradients> implied_;       // of the model
  std::vector<std::uint8_t> skipped_;             // rows of the group that the forward threw away
  bool any_skipped_ = false;
};

// One head's way back through its plan.
class HeadBackward {
 public:
  HeadBackward(const HeadProblem& head, const HeadPlan& plan, const BackwardArguments& arguments,
               int threads)
      : head_(head),
        arguments_(arguments),
        threads_(threads),
        plan_(plan),
        unmet_(head.num_rows()) {
    const LightPart& light = plan_.light();
    if (light.model != nullptr && !plan_.wants_exact())
      model_ = light.model->backward(arguments, threads);
    if (light.sampler == nullptr || light.sampler->gradient() == nullptr) return;
    shared_.gradient = light.sampler->gradient();
    shared_.pulls.resize(static_cast<std::size_t>(head.num_rows()));
  }

  SplitCounts run() {
    if (plan_.wants_exact()) return run_exactly();
    if (plan_.divides_any_sum()) {
      unmet_.meet_all();
    } else if (shared_.gradient != nullptr || model_ != nullptr) {
      repeat_forward();
    }
    for (const PlanPass& pass : plan_.passes()) run_pass(pass, &pass == &plan_.passes().back());
    if (shared_.gradient != nullptr) add_shared();
    if (model_ != nullptr) model_->finish(threads_);
    for (std::int64_t row = 0; row < head_.num_rows(); ++row)
      if (unmet_.met(row)) refuse_extreme_row(head_, row, arguments_);
    const std::vector<std::int32_t> rejected = rejected_rows();
    const HeadRows work{&head_, {rejected.data(), 0, std::ssize(rejected), true}};
    if (!rejected.empty()) add_exact_backward({&work, 1}, arguments_, threads_);
    return {std::ssize(rejected), entries_};
  }

 private:
  SplitCounts run_exactly() {
    return {0, add_whole_heads({&head_, 1}, arguments_, threads_), 1, suits_tile_backward(head_)};
  }

  // Groups in batches, which share the sums of keys that they have in common.
  void run_pass(const PlanPass& pass, bool final) {
    const std::int64_t groups = std::ssize(pass.groups);
    const std::int64_t size = std::clamp<std::int64_t>(groups / kEnoughBatches, 1, kMaxBatch);
    Turns turns(1);
    turns.start(0, 0);
    const auto make_worker = [&] {
      return Worker(head_, plan_, arguments_, unmet_, shared_, model_.get());
    };
    parallel_workers(threads_, count_blocks(groups, size), [&] {
      return [&, worker = turns.guard(make_worker)](std::int64_t batch) mutable {
        const std::int64_t before = worker.entries();
        const Range range{batch * size, std::min((batch + 1) * size, groups)};
        turns.guard(
            [&] { worker.run(pass, final, range, static_cast<std::int32_t>(batch), turns); });
        entries_ += worker.entries() - before;
      };
    });
  }

  // For what the light part learns of each row on its way, and for the rows that were rejected.
  void repeat_forward() {
    entries_ += sum_rows(head_, plan_, threads_, [&](SummedRows& worker) {
                  const IndexList& rows = worker.rows.rows();
                  for (std::int64_t i = 0; i < rows.count; ++i)
                    if (!(worker.rows.partial().l[i] <= 0)) unmet_.meet(rows[i]);
                }).scored;
  }

  void add_shared() {
    const auto sums = shared_.gradient->shared();
    for (std::size_t g = 0; g < sums.size(); ++g) {
      double pull = 0;
      for (std::size_t row = g; row < shared_.pulls.size(); row += sums.size())
        pull += shared_.pulls[row];
      if (sums[g].row < 0 || pull == 0) continue;
      SharedPulls none;
      Worker worker(head_, plan_, arguments_, unmet_, none);
      worker.run_shared(sums[g], pull);
      entries_ += worker.entries();
    }
  }

  // The rows that the forward computed again: nothing in their sum of weights.
  std::vector<std::int32_t> rejected_rows() const {
    std::vector<std::int32_t> rows;
    for (std::int64_t row = 0; row < head_.num_rows(); ++row)
      if (!unmet_.met(row) && !head_.visible(row).empty())
        rows.push_back(static_cast<std::int32_t>(row));
    return rows;
  }

  const HeadProblem& head_;
  const BackwardArguments& arguments_;
  int threads_;
  const HeadPlan& plan_;
  UnmetRows unmet_;
  SharedPulls shared_;
  std::unique_ptr<ModelBackward> model_;  // nullptr: the light part is its runs
  std::atomic<std::int64_t> entries_{0};
};

}  // namespace

SplitCounts split_backward(std::span<const HeadProblem> heads, const Method& method,
                           const BackwardArguments& arguments, const Options& options) {
  const int threads = resolved_threads(options.threads);
  clear_gradients(heads, arguments, threads);
  return run_each_plan(heads, method, options.seed, threads,
                       [&](const HeadProblem& head, const HeadPlan& plan, int share) {
                         return HeadBackward(head, plan, arguments, share).run();
                       });
}

}  // namespace subquad
