// Methods that work on tiles of neighbouring queries.
#pragma once

#include <memory>
#include <vector>

#include "density/estimator.h"
#include "density/point_tiles.h"

namespace subquad {

// Which tile of the call it is: draws are keyed by it.
struct PlacedTile : QueryTile {
  std::int64_t number;
};

class TileEstimator : public DensityEstimator {
 public:
  std::vector<DensityEstimate> estimate(const DensityQueries& queries, const DensityTarget& target,
                                        int threads) const final;

 private:
  // Writes the estimates of the tile's queries. `sums` is the thread's.
  virtual void estimate_tile(const PlacedTile& tile, const DensityTarget& target, TileSums& sums,
                             DensityEstimate* out) const = 0;
};

}  // namespace subquad
