// How a pass over heads builds their plans, forward and backward.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "run/check_work.h"
#include "run/head_plan.h"
#include "run/each_head.h"
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
    if (plan != nullptr)
      for (SharedError* part : plan->light().shared_errors) parts.push_back(part);
  share_error(parts, method.light->shared_error());
  return plans;
}

// How many heads, from the first on, belong to its sequence.
inline std::size_t heads_of_sequence(std::span<const HeadProblem> heads) {
  const HeadProblem& first = heads.front();
  const auto other = std::find_if(heads.begin(), heads.end(), [&](const HeadProblem& head) {
    return head.batch != first.batch || head.query_begin != first.query_begin ||
           head.key_begin != first.key_begin;
  });
  return static_cast<std::size_t>(other - heads.begin());
}

// The sum of run_head(head, plan, threads) over the heads with rows. A plan lives while its head
// runs; where the heads of a sequence share an error, all of its plans are made before the first
// head runs.
template <typename RunHead>
SplitCounts run_each_plan(std::span<const HeadProblem> heads, const Method& method,
                          std::uint64_t seed, int threads, const RunHead& run_head) {
  check_work(heads, method);
  const bool shares = method.light != nullptr && method.light->shared_error() > 0;
  SplitCounts total;
  while (!heads.empty()) {
    const auto now = heads.first(shares ? heads_of_sequence(heads) : heads.size());
    heads = heads.subspan(now.size());
    std::vector<std::unique_ptr<HeadPlan>> plans(now.size());
    if (shares) plans = sharing_plans(now, method, seed, threads);
    total.add(run_each_head(now, threads, [&](const HeadProblem& head, int share) {
      auto plan = std::move(plans[static_cast<std::size_t>(&head - now.data())]);
      if (plan == nullptr) plan = std::make_unique<HeadPlan>(head, method, seed, share);
      plan->finish(head);
      return run_head(head, *plan, share);
    }));
  }
  return total;
}

}  // namespace subquad
