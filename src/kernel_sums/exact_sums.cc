#include "kernel_sums/exact_sums.h"

#include <algorithm>

#include "kernel_sums/boxes/direct_sums.h"
#include "kernel_sums/kernel_run.h"
#include "kernel_sums/score_sums.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

class AllKeys final : public MetKeys {
 public:
  explicit AllKeys(const KernelHead& head) : head_(head) {}
  std::vector<SourceKeys> of(std::int64_t, RunList&) const override {
    return {{{head_.keys.data(), head_.values.data()}, index_range(0, head_.num_keys)}};
  }

 private:
  const KernelHead& head_;
};

std::int64_t sums_of_wild_values(const KernelHead& head, float* out, const Rng& rng, int threads) {
  const std::vector<QueryBlock> blocks =
      make_query_blocks(head, row_block_size(head.dim, head.channels), rng, threads);
  const KernelRows rows(head, blocks, false);
  return run_kernel_sums(rows, AllKeys(head), out, threads);
}

}  // namespace

std::int64_t exact_sums(const KernelHead& head, float* out, const Rng& rng, int threads) {
  if (head.num_queries == 0) return 0;
  if (!head.finite_values) return sums_of_wild_values(head, out, rng, threads);
  if (head.num_keys == 0) {
    std::fill_n(out, head.num_queries * head.channels, 0.0f);
    return 0;
  }
  if (head.dim <= kDirectDims)
    direct_sums(head, out, threads);
  else
    score_sums(head, out, rng, threads);
  return head.num_queries * head.num_keys;
}

}  // namespace subquad
