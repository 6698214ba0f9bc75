#include "density/exact.h"

namespace subquad {

void ExactDensity::estimate_tile(const PlacedTile& tile, const DensityTarget&, TileSums& sums,
                                 DensityEstimate* out) const {
  const PackedPoints& points = store_.permuted();
  const auto n = static_cast<double>(store_.count());
  std::vector<WeightSums> totals(static_cast<std::size_t>(tile.count));
  sums.add(tile, points, {0, points.blocks()}, totals.data());
  for (const WeightSums& total : totals) *out++ = {total.sum / n, 0, store_.count(), n};
}

}  // namespace subquad
