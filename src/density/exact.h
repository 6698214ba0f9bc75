// exact: every query meets every point, in tiles.
//
// source: the definition of the density.
// use when: the yardstick; few points; few queries.
// do not use for: many points of a large bandwidth (sampled).
// cost: 3 D + 20 flops a pair (point_tiles.h); half for many columns.
// parameters: none.
#pragma once

#include "density/density_store.h"
#include "density/tile_estimator.h"

namespace subquad {

class ExactDensity final : public TileEstimator {
 public:
  explicit ExactDensity(const DensityStore& store) : store_(store) {}
  std::string name() const override { return "exact"; }

 private:
  void estimate_tile(const PlacedTile& tile, const DensityTarget& target, TileSums& sums,
                     DensityEstimate* out) const override;

  const DensityStore& store_;
};

}  // namespace subquad
