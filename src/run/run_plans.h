// How a pass over heads builds their plans, forward and backward.
#pragma once

#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <vector>

#include "run/head_plan.h"
#include "run/run_heads.h"
#include "run/share_error.h"

namespace subquad {

// The plans of all heads of one sequence, which share an error.
inline std::vector<std::unique_ptr<HeadPlan>> sharing_plans(std::span<const HeadProblem> heads,
                                                            const Method& method,
                                                            std::uint64_t seed, int threads) {
  std::vector<std::unique_ptr<HeadPlan>> plans(heads.size());
  // A plan has parts that one thread does: heads side by side; threads without one help the others.
  parallel_for(threads, std::ssize(heads), [&](std::int64_t h) {
    const auto at = static_cast<std::size_t>(h);
    if (heads[at].num_rows() > 0)
      plans[at] = std::make_unique<HeadPlan>(heads[at], method, seed, threads);
  });
  std::vector<SharedError*> parts;
  for (const auto& plan : plans)
    if (plan != nullptr && plan->light().shared_error != nullptr)
      parts.push_back(plan->light().shared_error.get());
  share_error(parts, method.light->shared_error());
  return plans;
}

// The sum of run_head(head, plan, threads) over the heads with rows. Where the heads of
// a sequence share an error, their plans are built first.
template <typename RunHead>
SplitCounts run_plans(std::span<const HeadProblem> heads, const Method& method, std::uint64_t seed,
                      int threads, const RunHead& run_head) {
  if (method.light == nullptr || method.light->shared_error() == 0)
    return run_heads(heads, threads, [&](const HeadProblem& head, int share) {
      HeadPlan plan(head, method, seed, share);
      plan.finish(head);
      return run_head(head, plan, share);
    });
  SplitCounts total;
  for (std::size_t begin = 0, end = 0; begin < heads.size(); begin = end) {
    const auto same = [&](const HeadProblem& head) {
      return head.batch == heads[begin].batch && head.query_begin == heads[begin].query_begin &&
             head.key_begin == heads[begin].key_begin;
    };
    while (end < heads.size() && same(heads[end])) ++end;
    const std::span<const HeadProblem> sequence = heads.subspan(begin, end - begin);
    const auto plans = sharing_plans(sequence, method, seed, threads);
    total.add(run_heads(sequence, threads, [&](const HeadProblem& head, int share) {
      HeadPlan& plan = *plans[static_cast<std::size_t>(&head - sequence.data())];
      plan.finish(head);
      return run_head(head, plan, share);
    }));
  }
  return total;
}

}  // namespace subquad
