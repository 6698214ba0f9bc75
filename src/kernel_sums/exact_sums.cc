#include "kernel_sums/exact_sums.h"

#include "kernel_sums/kernel_run.h"
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

}  // namespace

std::int64_t exact_sums(const KernelHead& head, float* out, const Rng& rng, int threads) {
  const std::vector<QueryBlock> blocks =
      make_query_blocks(head, row_block_size(head.dim, head.channels), rng, threads);
  const KernelRows rows(head, blocks, false);
  return run_kernel_sums(rows, AllKeys(head), out, threads);
}

}  // namespace subquad
