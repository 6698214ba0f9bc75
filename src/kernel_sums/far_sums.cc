#include "kernel_sums/far_sums.h"

#include <algorithm>
#include <iterator>

#include "kernel_sums/exact_sums.h"
#include "kernel_sums/far_plan.h"
#include "kernel_sums/kernel_run.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

// The fit squares values, and adds what it corrects.
constexpr float kLargestValue = 0x1p96f;

KernelRecord run_exactly(const KernelHead& head, const char* why, float* out, const Rng& rng,
                         int threads) {
  const std::int64_t entries = exact_sums(head, out, rng, threads);
  return {std::string("far:exact(") + why + ")", entries, entries, 0, 0};
}

// Pseudo keys, the opened ones with their correction alone, and their keys.
class FarKeys final : public MetKeys {
 public:
  FarKeys(const KernelHead& head, const FarPlan& plan)
      : head_(head), plan_(plan), corrected_(plan.clusters->sums) {
    for (std::size_t i = 0; i < corrected_.size(); ++i) corrected_[i] += plan.corrected.values[i];
  }

  std::vector<SourceKeys> of(std::int64_t block, RunList& runs) const override {
    const KernelClusters& clusters = *plan_.clusters;
    const std::vector<std::int32_t>& opened = plan_.opened[static_cast<std::size_t>(block)];
    std::vector<std::int32_t>&closed = runs.new_ids(), &keys = runs.new_ids();
    for (std::int32_t c = 0; c < clusters.size(); ++c)
      if (!std::binary_search(opened.begin(), opened.end(), c)) closed.push_back(c);
    keys = clusters.keys.members_of(opened);
    return {{clusters.with(corrected_), list_of(closed)},
            {clusters.with(plan_.corrected.values), list_of(opened)},
            {{head_.keys.data(), head_.values.data()}, list_of(keys)}};
  }

 private:
  static IndexList list_of(const std::vector<std::int32_t>& ids) {
    return {ids.data(), 0, std::ssize(ids), false};
  }

  const KernelHead& head_;
  const FarPlan& plan_;
  std::vector<float> corrected_;
};

}  // namespace

KernelRecord far_sums(const KernelHead& head, const KernelFarOptions& options, float* out,
                      const Rng& rng, int threads) {
  if (!head.finite_values || head.largest_value > kLargestValue)
    return run_exactly(head, "values", out, rng, threads);
  if (head.num_keys == 0 || head.num_queries == 0)
    return run_exactly(head, "empty", out, rng, threads);
  const std::int64_t most = row_block_size(head.dim + 1, head.channels);
  const std::vector<QueryBlock> blocks =
      make_query_blocks(head, std::min(options.group, most), rng, threads);
  FarPlanner planner(head, blocks, options, rng, threads);
  const std::optional<FarPlan> plan = planner.plan();
  if (!plan) {
    KernelRecord run = run_exactly(head, "error", out, rng, threads);
    run.entries += planner.entries();
    return run;
  }
  const KernelRows rows(head, blocks, !plan->clusters->spread.empty());
  const std::int64_t entries = run_kernel_sums(rows, FarKeys(head, *plan), out, threads);
  return {"far", planner.entries() + entries, plan->opened_entries, plan->corrected.error};
}

}  // namespace subquad
