#include "kernel_sums/score_sums.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "core/threads.h"
#include "kernel_sums/centered_tile.h"
#include "kernel_sums/query_blocks.h"
#include "kernels/gemm.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

// Queries of one center that is as near as this, in bandwidths, may be many: their tiles of keys
// are then packed less often. Rounding grows with the square of the distance.
constexpr double kNear = 3;
// At least this many blocks.
constexpr std::int64_t kManyBlocks = 64;

std::vector<QueryBlock> blocks_of(const KernelHead& head, const Rng& rng, int threads) {
  const std::int64_t few = row_block_size(head.dim, head.channels);
  const std::int64_t many =
      std::min(long_block_size(head.dim, head.channels), head.num_queries / kManyBlocks / 12 * 12);
  if (many > few) {
    std::vector<QueryBlock> blocks = make_query_blocks(head, many, rng, threads);
    if (radius_of({head.queries.data(), head.num_queries, head.scales}, blocks) <= kNear)
      return blocks;
  }
  return make_query_blocks(head, few, rng, threads);
}

class BlockWorker {
 public:
  BlockWorker(const KernelHead& head, std::int64_t most)
      : head_(head),
        frame_{head.dim, head.channels, head.scales.data(), false},
        fused_(head.channels <= kernels::kFusedChannels),
        step_(2 * kernels::blocking().rows),
        tile_(frame_, key_tile_size(head.dim, head.channels), fused_),
        stride_(tile_.capacity() + 16),  // rows out of each other's cache sets
        queries_(most * head.dim),
        half_(most),
        scores_(step_ * stride_),
        products_(step_ * padded_values(head.channels)),
        sums_(most * head.channels) {}

  void run(const QueryBlock& block, float* out) {
    const IndexList rows = block.list();
    for (std::int64_t r = 0; r < rows.count; ++r)
      half_[r] = frame_.place_query(head_.query(rows[r]), block.center.data(),
                                    queries_.data() + r * head_.dim);
    std::fill_n(sums_.data(), rows.count * head_.channels, 0.0);
    for (std::int64_t begin = 0; begin < head_.num_keys; begin += tile_.capacity()) {
      const std::int64_t count = std::min(tile_.capacity(), head_.num_keys - begin);
      tile_.pack({head_.keys.data(), head_.values.data()}, index_range(begin, begin + count),
                 block.center.data());
      for (std::int64_t r = 0; r < rows.count; r += step_) meet(r, std::min(step_, rows.count - r));
    }
    for (std::int64_t r = 0; r < rows.count; ++r)
      for (std::int64_t c = 0; c < head_.channels; ++c)
        out[rows[r] * head_.channels + c] = static_cast<float>(sums_[r * head_.channels + c]);
  }

 private:
  void meet(std::int64_t row, std::int64_t count) {
    tile_.score(queries_.data() + row * head_.dim, count, scores_.data(), stride_);
    const kernels::GaussScores scores{scores_.data(),  stride_,      count,
                                      tile_.columns(), tile_.bias(), half_.data() + row};
    double* sums = sums_.data() + row * head_.channels;
    if (fused_) return tile_.add_fused(scores, sums);
    kernels::gauss_weights(scores);
    tile_.add_products(scores_.data(), stride_, count, products_.data(),
                       padded_values(head_.channels), sums);
  }

  const KernelHead& head_;
  KernelFrame frame_;
  bool fused_;
  std::int64_t step_;
  CenteredTile tile_;
  std::int64_t stride_;
  Scratch<float> queries_, half_, scores_, products_;
  Scratch<double> sums_;
};

}  // namespace

void score_sums(const KernelHead& head, float* out, const Rng& rng, int threads) {
  const std::vector<QueryBlock> blocks = blocks_of(head, rng, threads);
  std::int64_t most = 0;
  for (const QueryBlock& block : blocks) most = std::max(most, block.list().count);
  parallel_workers(threads, std::ssize(blocks), [&] {
    return [&, worker = std::make_unique<BlockWorker>(head, most)](std::int64_t i) {
      worker->run(blocks[static_cast<std::size_t>(i)], out);
    };
  });
}

}  // namespace subquad
