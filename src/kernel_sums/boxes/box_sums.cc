#include "kernel_sums/boxes/box_sums.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "core/threads.h"
#include "kernel_sums/boxes/box_queries.h"
#include "kernel_sums/boxes/box_walk.h"
#include "kernel_sums/boxes/direct_sums.h"
#include "kernel_sums/exact_sums.h"

namespace subquad {
namespace {

constexpr std::int64_t kLeafKeys = 32;
// Boxes of queries that tell whether exact is cheaper, and what part of its cost is worth it.
constexpr std::int64_t kTried = 24;
constexpr double kWorth = 0.9;

KernelRecord run_exactly(const KernelHead& head, const char* why, float* out, const Rng& rng,
                         int threads) {
  const std::int64_t entries = exact_sums(head, out, rng, threads);
  return {std::string("boxes:exact(") + why + ")", entries, entries, 0, 0};
}

// What came of a box of queries.
struct BoxResult {
  std::int64_t entries = 0, opened = 0;
  double missed = 0;
  bool has_series = false;
};

// The trees of a head, and how its sums are found from them.
class BoxRun {
 public:
  BoxRun(const KernelHead& head, const BoxOptions& options, int threads)
      : options_(options),
        series_(head.dim, options.error / 2),
        keys_(head, kLeafKeys, &series_, threads),
        queries_(head.queries.data(), head.num_queries, head.scales, kernels::kGaussQueries,
                 kAnyWidth),
        leaves_(queries_.leaves()),
        threads_(threads) {}

  // Whether some boxes of queries, spread over all, cost less than exact.
  bool is_worth() const {
    BoxWalk walk(keys_, series_, options_);
    const std::int64_t count = std::min(kTried, std::ssize(leaves_));
    double cost = 0, exact = 0;
    for (std::int64_t t = 0; t < count; ++t) {
      const QueryBox queries =
          box(leaves_[static_cast<std::size_t>(t * std::ssize(leaves_) / count)]);
      walk.walk(queries);
      cost += walk.cost();
      exact += BoxWalk::exact_cost(queries_.dim(), keys_.channels(), queries.count,
                                   keys_.tree().count());
    }
    return cost < kWorth * exact;
  }

  KernelRecord sum(float* out) const {
    std::vector<BoxResult> results(leaves_.size());
    parallel_workers(threads_, std::ssize(leaves_), [&] {
      return [&, walk = BoxWalk(keys_, series_, options_),
              queries = BoxQueries(queries_, keys_)](std::int64_t i) mutable {
        const auto at = static_cast<std::size_t>(i);
        walk.walk(box(leaves_[at]));
        queries.load(leaves_[at]);
        results[at] = meet(walk, queries, queries_.node(leaves_[at]).count());
        queries.store(out);
      };
    });
    return join(results);
  }

  KernelRecord sum_exactly(const KernelHead& head, float* out, const Rng& rng) const {
    if (queries_.dim() > kDirectDims) return run_exactly(head, "cost", out, rng, threads_);
    direct_sums(queries_, keys_, out, threads_);
    const std::int64_t entries = queries_.count() * keys_.tree().count();
    return {"boxes:exact(cost)", entries, entries, 0, 0};
  }

 private:
  QueryBox box(std::int64_t leaf) const {
    return {queries_.low(leaf), queries_.high(leaf), queries_.node(leaf).count()};
  }

  static BoxResult meet(const BoxWalk& walk, BoxQueries& queries, std::int64_t count) {
    BoxResult result{0, walk.keys_met() * count, walk.missed(), false};
    result.entries = result.opened;
    for (const BoxVisit& visit : walk.visits()) {
      if (visit.degree == 0) {
        queries.meet_keys(visit.node);
        continue;
      }
      queries.add_series(visit.node, visit.degree);
      result.entries += count;
      result.has_series = true;
    }
    return result;
  }

  KernelRecord join(const std::vector<BoxResult>& results) const {
    KernelRecord record{"boxes", 0, 0, std::numeric_limits<double>::quiet_NaN()};
    bool has_series = false;
    double missed = 0;
    for (const BoxResult& result : results) {
      record.entries += result.entries;
      record.opened_entries += result.opened;
      missed = std::max(missed, result.missed);
      has_series |= result.has_series;
    }
    record.error_bound = missed + (has_series ? series_.error() : 0);
    return record;
  }

  BoxOptions options_;
  SeriesError series_;
  BoxKeys keys_;
  BoxTree queries_;
  std::vector<std::int64_t> leaves_;
  int threads_;
};

}  // namespace

KernelRecord box_sums(const KernelHead& head, const BoxOptions& options, float* out, const Rng& rng,
                      int threads) {
  if (!head.finite_values) return run_exactly(head, "values", out, rng, threads);
  if (head.num_keys == 0 || head.num_queries == 0)
    return run_exactly(head, "empty", out, rng, threads);
  const BoxRun run(head, options, threads);
  return run.is_worth() ? run.sum(out) : run.sum_exactly(head, out, rng);
}

}  // namespace subquad
