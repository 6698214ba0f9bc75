// Lloyd's k-means on a sample, and the assignment of all points to the centers.
//
// source: Lloyd (1982), from a random start.
// use when: the least variance within clusters is worth several times the cost of the tree.
// do not use for: work that must be the same for every cluster: sizes come out very unequal.
// cost: 2 D count flops a point assigned; a sample of 4 count points, 3 times.
// parameters: count centers, 1 to the number of points.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"
#include "index/scaled_points.h"

namespace subquad {

// Centers, row-major, points.stride floats a row (the padding is zero).
std::vector<float> kmeans_centers(const ScaledPoints& points, std::span<const std::int32_t> ids,
                                  std::int64_t count, const Rng& rng, int threads);

// nearest[i]: the center nearest to point ids[i], the first one where they tie.
std::vector<std::int32_t> nearest_centers(const ScaledPoints& points,
                                          std::span<const std::int32_t> ids,
                                          std::span<const float> centers, int threads);

}  // namespace subquad
