// What the methods read: the points in the layouts that they need, made when first asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/rng.h"
#include "density/density_points.h"
#include "density/point_tiles.h"
#include "subquad/density.h"

namespace subquad {

// Points of near cells together: an inverted file.
struct PointCells {
  std::unique_ptr<PackedPoints> centers, members;
  std::vector<std::int64_t> begin;      // cell c: blocks begin[c] to begin[c + 1] of members
  std::vector<std::int64_t> sizes;      // points of each cell
  std::vector<std::int32_t> positions;  // of each place of `members`, in the permuted order,
                                        // ascending in a cell; -1: none
};

// All const functions may be called from several threads.
class DensityStore {
 public:
  DensityStore(DensityPoints points, std::vector<double> bandwidth, const DensityOptions& options);

  const DensityPoints& points() const { return points_; }
  std::int64_t count() const { return points_.count(); }
  std::int64_t dim() const { return points_.dim; }
  std::uint64_t seed() const { return options_.seed; }
  const DensityOptions& options() const { return options_; }
  const std::vector<double>& bandwidth() const { return bandwidth_; }
  const DensityUnits& units() const { return units_; }
  // In the order of a random permutation.
  const PackedPoints& permuted() const { return *permuted_; }
  // Place i of permuted() holds point order()[i].
  const std::vector<std::int32_t>& order() const { return order_; }
  const PointCells& cells(int threads) const;
  // Row-major, in the points' own order.
  std::vector<float> scaled_rows(int threads) const;

 private:
  DensityPoints points_;
  std::vector<double> bandwidth_;
  DensityOptions options_;
  DensityUnits units_;
  std::vector<std::int32_t> order_;
  std::unique_ptr<PackedPoints> permuted_;
  mutable std::mutex mutex_;
  mutable std::unique_ptr<PointCells> cells_;  // guarded by mutex_ until it is there
};

}  // namespace subquad
