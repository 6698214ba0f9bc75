#include "kernel_sums/exact_sums.h"

#include "core/threads.h"
#include "kernel_sums/kernel_block.h"
#include "kernel_sums/query_blocks.h"

namespace subquad {

std::int64_t exact_sums(const KernelHead& head, float* out, const Rng& rng, int threads) {
  const std::vector<QueryBlock> blocks = make_query_blocks(head, KernelBlock::kRows, rng, threads);
  parallel_workers(threads, static_cast<std::int64_t>(blocks.size()), [&] {
    return [&, sums = KernelBlock(head.dim, head.channels, head.scale, false)](
               std::int64_t i) mutable {
      const IndexList rows = blocks[static_cast<std::size_t>(i)].list();
      sums.load(head.queries.data(), rows, blocks[static_cast<std::size_t>(i)].center);
      sums.add({head.keys.data(), head.values.data()}, index_range(0, head.num_keys));
      for (std::int64_t r = 0; r < rows.count; ++r) sums.read_row(r, out + rows[r] * head.channels);
    };
  });
  return head.num_queries * head.num_keys;
}

}  // namespace subquad
