#include "density/tile_estimator.h"

#include <algorithm>

#include "core/threads.h"

namespace subquad {

std::vector<DensityEstimate> TileEstimator::estimate(const DensityQueries& queries,
                                                     const DensityTarget& target,
                                                     int threads) const {
  constexpr std::int64_t rows = TileSums::kRows;
  std::vector<DensityEstimate> out(static_cast<std::size_t>(queries.count));
  const std::vector<float> norms = squared_norms(
      {queries.rows, static_cast<std::size_t>(queries.count * queries.dim)}, queries.dim);
  parallel_workers(threads, (queries.count + rows - 1) / rows, [&] {
    return [&, sums = TileSums()](std::int64_t t) mutable {
      const std::int64_t first = t * rows;
      const QueryTile tile{queries.rows + first * queries.dim, norms.data() + first,
                           std::min(rows, queries.count - first)};
      estimate_tile({tile, t}, target, sums, out.data() + first);
    };
  });
  return out;
}

}  // namespace subquad
