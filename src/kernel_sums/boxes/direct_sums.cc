#include "kernel_sums/boxes/direct_sums.h"

#include <vector>

#include "core/threads.h"
#include "kernel_sums/boxes/box_queries.h"

namespace subquad {
namespace {

// Keys that share a center.
constexpr std::int64_t kKeys = 256;

}  // namespace

void direct_sums(const BoxTree& queries, const BoxKeys& keys, float* out, int threads) {
  const std::vector<std::int64_t> rows = queries.leaves(), met = keys.tree().leaves();
  parallel_workers(threads, std::ssize(rows), [&] {
    return [&, worker = BoxQueries(queries, keys)](std::int64_t i) mutable {
      const std::int64_t row = rows[static_cast<std::size_t>(i)];
      worker.load(row);
      const QueryBox box{queries.low(row), queries.high(row), queries.node(row).count()};
      for (const std::int64_t node : met)
        if (squared_gap(box, keys.tree(), node) < kZeroGap) worker.meet_keys(node);
      worker.store(out);
    };
  });
}

void direct_sums(const KernelHead& head, float* out, int threads) {
  const BoxKeys keys(head, kKeys, nullptr, threads);
  const BoxTree queries(head.queries.data(), head.num_queries, head.scales, kernels::kGaussQueries,
                        kAnyWidth);
  direct_sums(queries, keys, out, threads);
}

}  // namespace subquad
