#include "kernel_sums/far_plan.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "core/threads.h"
#include "far/clusters/opening_search.h"

namespace subquad {
namespace {

// Queries of each block that say what it opens.
constexpr std::int64_t kScouts = 4;
// With error=: thresholds tried, relative to it.
constexpr double kFirstThreshold = 2, kThresholdStep = 0.5;
constexpr int kThresholds = 8;
// With error=: clusters are made this many times smaller, where the fit then costs less than this
// part of exact.
constexpr std::int64_t kRefinement = 4;
constexpr double kFitShare = 0.25;
constexpr std::int64_t kMostClusters = 4096;

}  // namespace

FarPlanner::FarPlanner(const KernelHead& head, const std::vector<QueryBlock>& blocks,
                       const KernelFarOptions& options, const Rng& rng, int threads)
    : head_(head),
      blocks_(blocks),
      options_(options),
      rng_(rng),
      threads_(threads),
      probes_(sample_evenly(lists_of(blocks), std::min(options.fit, head.num_queries / 4), rng)),
      models_(head, probes_, options, rng, threads) {}

std::optional<FarPlan> FarPlanner::plan() {
  if (options_.error > 0 && probes_.size() == 0) return std::nullopt;
  model_ = models_.build(options_.clusters);
  const std::int64_t finer = kRefinement * options_.clusters;
  if (options_.error > 0 && model_.corrected.error > options_.error && may_refine(finer))
    model_ = models_.build(finer);
  clusters_ = model_.clusters.get();
  FarPlan plan;
  plan.opened.resize(blocks_.size());
  plan.corrected = model_.corrected;
  if (options_.error > 0 && !(plan.corrected.error <= options_.error)) {
    scout();
    return search(std::move(plan));
  }
  if (options_.open > 0 && probes_.size() > 0) {
    scout();
    open(plan, options_.open);
  }
  plan.clusters = std::move(model_.clusters);
  return plan;
}

bool FarPlanner::may_refine(std::int64_t clusters) const {
  const auto size = static_cast<double>(clusters);
  const double solve = static_cast<double>(probes_.size() + clusters) * size * size;
  const double exact = static_cast<double>(head_.num_queries) *
                       static_cast<double>(head_.num_keys) *
                       static_cast<double>(head_.dim + head_.channels);
  return clusters <= std::min(kMostClusters, probes_.size()) && 8 * clusters <= head_.num_keys &&
         solve < kFitShare * exact;
}

std::optional<FarPlan> FarPlanner::search(FarPlan plan) {
  const auto square = [](double x) { return x * x; };
  OpeningSearch search(levels(), square(plan.corrected.error));
  const double most_keys = options_.margin * static_cast<double>(head_.num_keys);
  while (const OpeningLevel* level = search.next(square(options_.error), most_keys)) {
    open(plan, level->threshold);
    search.learn(square(plan.corrected.error));
    if (!(plan.corrected.error <= options_.error)) continue;
    plan.clusters = std::move(model_.clusters);
    return plan;
  }
  return std::nullopt;
}

std::vector<OpeningLevel> FarPlanner::levels() const {
  OpeningLevels levels(
      falling_thresholds(kFirstThreshold * options_.error, kThresholdStep, kThresholds),
      clusters_->keys, head_.num_queries);
  const double unit =
      std::max(std::numeric_limits<double>::min(), model_.fit->rms() * model_.fit->rms());
  std::vector<double> missed = missed_;
  for (double& square : missed) square /= unit;
  const auto size = static_cast<std::size_t>(clusters_->size());
  for (std::size_t g = 0; g < blocks_.size(); ++g)
    levels.add(blocks_[g].list().count, std::span(missed).subspan(g * size, size));
  return levels.finish();
}

void FarPlanner::scout() {
  const SampleRows scouts = sample_others(lists_of(blocks_), probes_, kScouts, rng_);
  missed_ = missed_squares(head_, scouts, static_cast<std::int64_t>(blocks_.size()), *clusters_,
                           threads_);
  entries_ += scouts.size() * (head_.num_keys + clusters_->size());
}

std::vector<std::int32_t> FarPlanner::choose(std::size_t block, double threshold) const {
  const auto size = static_cast<std::size_t>(clusters_->size());
  return clusters_above(std::span(missed_).subspan(block * size, size),
                        threshold * threshold * model_.fit->rms() * model_.fit->rms());
}

void FarPlanner::take_opened(const Range& probes, const std::vector<std::int32_t>& opened,
                             KernelBlock& block, std::vector<double>& residual) const {
  const auto g = static_cast<std::size_t>(probes_.group_of[static_cast<std::size_t>(probes.begin)]);
  const std::vector<std::int32_t> keys = clusters_->keys.members_of(opened);
  std::vector<double> sum(static_cast<std::size_t>(head_.channels));
  block.load(head_.queries.data(), probes_.list(probes), blocks_[g].center);
  const auto subtract = [&](double sign) {
    for (std::int64_t i = probes.begin; i < probes.end; ++i) {
      block.read_row(i - probes.begin, sum.data());
      for (std::size_t c = 0; c < sum.size(); ++c)
        residual[static_cast<std::size_t>(i) * sum.size() + c] -= sign * sum[c];
    }
  };
  block.add({head_.keys.data(), head_.values.data()},
            {keys.data(), 0, static_cast<std::int64_t>(keys.size()), false});
  subtract(1);
  block.clear_sums();
  block.add(clusters_->with(clusters_->sums),
            {opened.data(), 0, static_cast<std::int64_t>(opened.size()), true});
  subtract(-1);
}

void FarPlanner::open(FarPlan& plan, double threshold) {
  std::vector<double> residual = model_.residual;
  const std::vector<Range> probes = ranges_by_group(probes_.group_of, std::ssize(blocks_));
  parallel_workers(threads_, static_cast<std::int64_t>(blocks_.size()), [&] {
    return [&, block = KernelBlock(head_.dim, head_.channels, head_.scales,
                                   !clusters_->spread.empty())](std::int64_t i) mutable {
      const auto g = static_cast<std::size_t>(i);
      plan.opened[g] = choose(g, threshold);
      if (!plan.opened[g].empty() && !probes[g].empty())
        take_opened(probes[g], plan.opened[g], block, residual);
    };
  });
  count_opened(plan, probes);
  plan.corrected = model_.fit->correct(residual);
}

void FarPlanner::count_opened(FarPlan& plan, const std::vector<Range>& probes) {
  plan.opened_entries = 0;
  for (std::size_t g = 0; g < blocks_.size(); ++g)
    for (const std::int32_t c : plan.opened[g]) {
      const std::int64_t keys = clusters_->keys.members(c).count;
      plan.opened_entries += keys * blocks_[g].list().count;
      entries_ += keys * (probes[g].end - probes[g].begin);
    }
}

}  // namespace subquad
