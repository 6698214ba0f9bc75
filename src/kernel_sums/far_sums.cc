#include "kernel_sums/far_sums.h"

#include "core/threads.h"
#include "kernel_sums/exact_sums.h"
#include "kernel_sums/far_plan.h"

namespace subquad {
namespace {

FarRun run_exactly(const KernelHead& head, const char* why, float* out, const Rng& rng,
                   int threads) {
  const std::int64_t entries = exact_sums(head, out, rng, threads);
  return {std::string("far:exact(") + why + ")", entries, entries, 0};
}

// 0, .., size - 1 without the listed, which ascend.
std::vector<std::int32_t> without(const std::vector<std::int32_t>& listed, std::int64_t size) {
  std::vector<std::int32_t> rest;
  auto next = listed.begin();
  for (std::int32_t c = 0; c < size; ++c)
    if (next != listed.end() && *next == c)
      ++next;
    else
      rest.push_back(c);
  return rest;
}

IndexList list_of(const std::vector<std::int32_t>& ids) {
  return {ids.data(), 0, static_cast<std::int64_t>(ids.size()), false};
}

// Sums of the block's rows: pseudo keys, the opened ones with their correction alone, and their
// keys.
void sum_block(const KernelHead& head, const FarPlan& plan, const std::vector<float>& corrected,
               const std::vector<std::int32_t>& opened, KernelBlock& block) {
  const KernelClusters& clusters = *plan.clusters;
  block.add(clusters.with(corrected), list_of(without(opened, clusters.size())));
  block.add(clusters.with(plan.corrected.values), list_of(opened));
  block.add({head.keys.data(), head.values.data()}, list_of(clusters.keys.members_of(opened)));
}

void run_plan(const KernelHead& head, const std::vector<QueryBlock>& blocks, const FarPlan& plan,
              float* out, int threads) {
  const bool with_spread = !plan.clusters->spread.empty();
  std::vector<float> corrected = plan.clusters->sums;
  for (std::size_t i = 0; i < corrected.size(); ++i) corrected[i] += plan.corrected.values[i];
  parallel_workers(threads, static_cast<std::int64_t>(blocks.size()), [&] {
    return [&, sums = KernelBlock(head.dim, head.channels, head.scale, with_spread)](
               std::int64_t i) mutable {
      const auto g = static_cast<std::size_t>(i);
      const IndexList rows = blocks[g].list();
      sums.load(head.queries.data(), rows, blocks[g].center);
      sum_block(head, plan, corrected, plan.opened[g], sums);
      for (std::int64_t r = 0; r < rows.count; ++r) sums.read_row(r, out + rows[r] * head.channels);
    };
  });
}

}  // namespace

FarRun far_sums(const KernelHead& head, const KernelFarOptions& options, float* out, const Rng& rng,
                int threads) {
  if (!head.finite_values) return run_exactly(head, "values", out, rng, threads);
  if (head.num_keys == 0 || head.num_queries == 0)
    return run_exactly(head, "empty", out, rng, threads);
  const std::vector<QueryBlock> blocks = make_query_blocks(head, options.group, rng, threads);
  FarPlanner planner(head, blocks, options, rng, threads);
  const std::optional<FarPlan> plan = planner.plan();
  if (!plan) {
    FarRun run = run_exactly(head, "error", out, rng, threads);
    run.entries += planner.entries();
    return run;
  }
  run_plan(head, blocks, *plan, out, threads);
  return {"far",
          planner.entries() + head.num_queries * plan->clusters->size() + plan->opened_entries,
          plan->opened_entries, plan->corrected.error};
}

}  // namespace subquad
