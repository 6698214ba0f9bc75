#include "light/sampled/approx_d.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "light/sampled/approx_d_gradient.h"
#include "light/sampled/approx_d_tau.h"
#include "light/sampled/row_norm.h"
#include "light/sampled/sampled_keys.h"
#include "light/sampled/uniform.h"
#include "core/sampling.h"
#include "rows/visible_keys.h"
#include "subquad/error.h"

namespace subquad {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();
constexpr std::int64_t kMostSamples = std::int64_t{1} << 30;
constexpr std::uint32_t kTauStream = 1;  // the keys are drawn from stream 0
constexpr char kSampleRange[] = "{}: {} must be {} to 2^30";

// log2 of 2^a + 2^b.
double log2_sum(double a, double b) {
  const double top = std::max(a, b);
  return top == kNothing ? top : top + std::log2(1 + std::exp2(std::min(a, b) - top));
}

double log2_weights(const Partial& sums, std::int64_t r) {
  return double{sums.m[r]} + std::log2(double{sums.l[r]});
}

// Whether the problem leaves the row any key.
bool sees_any(const HeadProblem& head, std::int64_t row) {
  const Range seen = head.visible(row);
  const void* mask = head.mask_row(row);
  if (mask == nullptr) return !seen.empty();
  if (head.problem->mask.kind == MaskKind::boolean) {
    const auto* bytes = static_cast<const std::uint8_t*>(mask);
    return std::any_of(bytes + seen.begin, bytes + seen.end, [](auto b) { return b != 0; });
  }
  const auto* added = static_cast<const float*>(mask);
  return std::any_of(added + seen.begin, added + seen.end, [](float a) { return a > -HUGE_VALF; });
}

// A uniform sample with rules of its own: caps, a floor, values by row norm.
class CappedSampler final : public Sampler {
 public:
  CappedSampler(const HeadProblem& head, const EntrySets& heavy, const ApproxDRuleOptions& options,
                ApproxDRecord* record, const Rng& rng, int threads)
      : head_(head),
        options_(options),
        record_(record),
        rng_(rng),
        visible_(head),
        log2_floor_(static_cast<std::size_t>(head.group), kNothing),
        gradient_(head, !options.printed) {
    if (options_.strict && head.has_band()) options_.row_sums.cap = options_.row_sums.floor = false;
    draw_keys();
    const double n = static_cast<double>(visible_.count());
    // log2 of n / m C_i over (heavy sum + tau / kappa); n = 1: no cap.
    log2_cap_ =
        std::log2(row_sums().cap_constant * row_sums().epsilon * row_sums().epsilon / std::log(n));
    const std::int64_t values =
        options.value_samples > 0 ? options.value_samples : row_sums().num_samples;
    if (options.with_values)
      values_.emplace(head, ValueDraws{values, options.replace_values, options.strict}, rng,
                      threads);
    if (uses_tau()) set_tau(heavy, threads);
  }

  void finish() override {
    if (record_ == nullptr) return;
    ApproxDHead done;
    done.log_tau = log_tau_;
    done.capped_samples = capped_samples_;
    done.floored_rows = floored_rows_;
    done.tau_positions.assign(tau_positions_.begin(), tau_positions_.end());
    for (const DrawnKeys& drawn : keys_) {
      const KeyRun run = drawn.keys.run(1);
      for (std::int64_t i = 0; i < run.keys.count; ++i)
        done.samples.insert(done.samples.end(), static_cast<std::size_t>(drawn.times), run.keys[i]);
    }
    std::sort(done.samples.begin(), done.samples.end());
    record_->add(head_, std::move(done));
  }

  RowOrder row_order() const { return values_ ? values_->row_order() : RowOrder::any; }

  void add_runs(const IndexList& rows, RunList& runs) const override {
    for (const DrawnKeys& drawn : keys_) {
      KeyRun weights = drawn.keys.run(rows.count);
      weights.sums = Sums::weights;
      runs.add(weights);
    }
    if (values_) values_->add_runs(rows, options_.printed, runs);
  }

  void add_sums(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                TileScratch& scratch, RunList& runs) override {
    const std::span<KeyRun> own = runs.mutable_runs();
    for (std::size_t i = 0; row_sums().cap && i < keys_.size(); ++i)
      own[i].limits.log2 = limits(rows, keys_[i], runs.new_bias());
    if (options_.printed) clear_values(rows.partial());
    add_weights(head, rows, heavy, own.first(keys_.size()), scratch);
    for (const KeyRun& run : own.subspan(keys_.size())) attend_run(head, rows, run, heavy, scratch);
  }

  const SamplerGradient* gradient() const override {
    return uses_tau() || options_.printed ? &gradient_ : nullptr;
  }

 private:
  const ApproxDOptions& row_sums() const { return options_.row_sums; }
  bool uses_tau() const { return row_sums().cap || row_sums().floor; }

  void set_tau(const EntrySets& heavy, int threads) {
    const std::int64_t wanted =
        row_sums().tau_samples > 0 ? row_sums().tau_samples : row_sums().num_samples;
    tau_positions_ = sample_without_replacement(head_.query_len, std::min(wanted, head_.query_len),
                                                rng_, kTauStream);
    std::vector<SamplerGradient::Shared> tau = find_tau(head_, tau_positions_, heavy, threads);
    for (std::size_t g = 0; g < tau.size(); ++g) {
      log2_floor_[g] = tau[g].log2_sum - std::log2(row_sums().kappa);
      log_tau_.push_back(tau[g].log2_sum * std::numbers::ln2);
    }
    gradient_.set_tau(std::move(tau), log2_floor_);
  }

  double log2_floor(std::int64_t row) const {
    return log2_floor_[static_cast<std::size_t>(row % head_.group)];
  }

  // Keys that were drawn equally often: their caps are the same.
  struct DrawnKeys {
    std::int64_t times;
    SampledKeys keys;
  };

  // More draws with replacement than keys: one list for each number of draws.
  void draw_keys() {
    const std::int64_t n = visible_.count(), m = row_sums().num_samples;
    if (!row_sums().replace || m <= n) {
      keys_.push_back({1, sample_uniformly(head_, visible_.all(), m, row_sums().replace, rng_)});
      return;
    }
    std::map<std::int64_t, std::vector<std::int32_t>> by_times;
    const std::vector<std::int64_t> counts = uniform_counts(n, m, rng_);
    for (std::int64_t j = 0; j < n; ++j)
      by_times[counts[static_cast<std::size_t>(j)]].push_back(
          static_cast<std::int32_t>(visible_.all()[j]));
    by_times.erase(0);
    for (auto& [times, keys] : by_times) add_drawn(times, std::move(keys));
    gradient_.set_times(visible_.all(), counts, head_.num_keys);
  }

  void add_drawn(std::int64_t times, std::vector<std::int32_t> keys) {
    const double each =
        static_cast<double>(visible_.count()) / static_cast<double>(row_sums().num_samples);
    const double count = static_cast<double>(times);
    std::vector<float> bias(keys.size(), static_cast<float>(std::log2(each * count)));
    std::vector<float> counts(keys.size(), static_cast<float>(count));
    keys_.push_back({times, SampledKeys(head_, std::move(keys), std::move(bias),
                                        {row_sums().num_samples, 1.0}, std::move(counts))});
  }

  // log2 of n / m C_i, as often as the keys were drawn: where the weighted samples of each row end.
  const float* limits(RowBlock& rows, const DrawnKeys& drawn, std::vector<float>& memory) const {
    const Partial sums = rows.partial();
    const double cap = log2_cap_ + std::log2(static_cast<double>(drawn.times));
    for (std::int64_t i = 0; i < sums.rows; ++i)
      memory.push_back(
          static_cast<float>(cap + log2_sum(log2_weights(sums, i), log2_floor(rows.rows()[i]))));
    return memory.data();
  }

  // The heavy entries' values too come from the sample.
  static void clear_values(const Partial& sums) {
    std::fill_n(sums.o, sums.rows * sums.o_stride, 0.0f);
  }

  // Lines 7 and 8.
  void add_weights(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                   std::span<KeyRun> runs, TileScratch& scratch) {
    const std::int64_t count = rows.rows().count;
    std::vector<float> capped(static_cast<std::size_t>(count));
    std::vector<char> met(capped.size());  // by a heavy part
    for (std::size_t i = 0; i < met.size(); ++i) met[i] = rows.partial().m[i] != -HUGE_VALF ? 1 : 0;
    rows.open_side(Sums::weights);
    for (std::size_t k = 0; k < runs.size(); ++k) {
      std::vector<std::int32_t> reached(capped.size());
      KeyRun run = runs[k];
      run.sums = Sums::both;  // of the side
      run.limits.reached = reached.data();
      attend_run(head, rows, run, heavy, scratch);
      for (std::size_t i = 0; i < capped.size(); ++i)
        capped[i] += static_cast<float>(reached[i]) * static_cast<float>(keys_[k].times);
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const bool limited = row_sums().cap && !runs.empty();
      const float limit = limited ? runs[0].limits.log2[i] - log2_times() : HUGE_VALF;
      finish_row(rows, i, {limit, capped[at], false}, met[at] != 0);
    }
    rows.close_side();
  }

  // Of the keys of the first list; the gradient adds that of each key again.
  float log2_times() const {
    return keys_[0].times == 1 ? 0.0f
                               : static_cast<float>(std::log2(static_cast<double>(keys_[0].times)));
  }

  // d_i = max(d_i, tau / kappa), if the row sees a key. `state.capped` comes as a number.
  void finish_row(RowBlock& rows, std::int64_t i, ApproxDGradient::Row state, bool met) {
    const Partial sums = rows.partial();
    const std::int64_t row = rows.rows()[i];
    const double floor = log2_floor(row);
    if (row_sums().floor && log2_weights(sums, i) < floor &&
        (met || sums.m[i] != -HUGE_VALF || sees_any(head_, row))) {
      sums.m[i] = static_cast<float>(floor);
      sums.l[i] = 1.0f;
      state.raised = true;
      ++floored_rows_;
    }
    capped_samples_ += static_cast<std::int64_t>(state.capped);
    if (state.capped > 0) state.capped *= static_cast<float>(std::exp2(log2_cap_));
    gradient_.record(row, state);
  }

  const HeadProblem& head_;
  ApproxDRuleOptions options_;
  ApproxDRecord* record_;
  Rng rng_;
  VisibleKeys visible_;
  std::vector<DrawnKeys> keys_;
  std::optional<SampledValues> values_;
  std::vector<std::int32_t> tau_positions_;
  std::vector<double> log_tau_, log2_floor_;  // tau, tau / kappa of each query head
  double log2_cap_ = 0;
  ApproxDGradient gradient_;  // each row's record is written by the thread that adds to it
  std::atomic<std::int64_t> capped_samples_{0}, floored_rows_{0};
};

class ApproxDRule final : public LightRule {
 public:
  ApproxDRule(const ApproxDRuleOptions& options, ApproxDRecord* record)
      : options_(options), record_(record) {}

  LightPart prepare(const HeadProblem& head, const EntrySets& heavy, const Rng& rng,
                    int threads) const override {
    if (VisibleKeys(head).count() == 0) return {};
    auto sampler = std::make_shared<CappedSampler>(head, heavy, options_, record_, rng, threads);
    return {.row_order = sampler->row_order(), .sampler = sampler};
  }
  // A key that some row sees counts for all.
  Strict strictness() const override { return Strict::bands; }

 private:
  ApproxDRuleOptions options_;
  ApproxDRecord* record_;
};

void check_samples(const char* name, std::int64_t samples, std::int64_t least) {
  if (samples < least || samples > kMostSamples)
    throw_invalid(fmt::format(kSampleRange, name, samples, least));
}

ApproxDRuleOptions read_options(const SpecPart& spec) {
  SpecReader reader(spec);
  ApproxDRuleOptions options;
  ApproxDOptions& sums = options.row_sums;
  sums.num_samples = reader.integer("m", sums.num_samples, 1, kMostSamples);
  sums.epsilon = reader.number("eps", sums.epsilon, 1e-6, 1);
  sums.kappa = reader.number("kappa", sums.kappa, 1, 1e300);
  const double cap = reader.number("cap", sums.cap_constant, 0, 1e30);
  sums.cap = cap > 0;
  if (sums.cap) sums.cap_constant = cap;
  sums.floor = reader.boolean("floor", sums.floor);
  sums.tau_samples = reader.integer("tau_samples", sums.tau_samples, 0, kMostSamples);
  options.value_samples = reader.integer("values", options.value_samples, 0, kMostSamples);
  sums.replace = options.replace_values = reader.boolean("replace", sums.replace);
  options.printed = reader.boolean("printed", options.printed);
  options.strict = reader.boolean("strict", true);
  reader.finish();
  return options;
}

}  // namespace

void check_approx_d(const ApproxDOptions& options) {
  check_samples("num_samples", options.num_samples, 1);
  check_samples("tau_samples", options.tau_samples, 0);
  if (!(options.epsilon > 0 && options.epsilon <= 1))
    throw_invalid(fmt::format("epsilon: {} must be in (0, 1]", options.epsilon));
  if (!(options.kappa >= 1 && std::isfinite(options.kappa)))
    throw_invalid(fmt::format("kappa: {} must be finite and at least 1", options.kappa));
  if (!(options.cap_constant > 0 && std::isfinite(options.cap_constant)))
    throw_invalid(fmt::format("cap_constant: {} must be finite and positive (cap = false: no cap)",
                              options.cap_constant));
}

void ApproxDRecord::add(const HeadProblem& head, ApproxDHead record) {
  const std::lock_guard lock(mutex_);
  entries_.emplace_back(&head, std::move(record));
}

std::vector<ApproxDHead> ApproxDRecord::in_order(std::span<const HeadProblem> heads) const {
  std::vector<ApproxDHead> ordered(heads.size());
  for (std::size_t h = 0; h < heads.size(); ++h) {
    for (const auto& [head, record] : entries_)
      if (head == &heads[h]) ordered[h] = record;
    ordered[h].kv_head = heads[h].kv_head;
    ordered[h].sequence = static_cast<std::int64_t>(h) / heads[h].problem->key.heads();
  }
  return ordered;
}

std::unique_ptr<LightRule> make_approx_d_rule(const SpecPart& spec) {
  return make_approx_d_rule(read_options(spec), nullptr);
}

std::string approx_d_path(const SpecPart& spec) {
  return read_options(spec).strict ? spec.name : spec.name + ":published";
}

std::unique_ptr<LightRule> make_approx_d_rule(const ApproxDRuleOptions& options,
                                              ApproxDRecord* record) {
  return std::make_unique<ApproxDRule>(options, record);
}

}  // namespace subquad
