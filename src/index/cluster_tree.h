// Clusters of equal sizes: a tree that splits along leading principal directions.
//
// source: PCA tree (Sproull 1991), directions by power iteration on a sample of the node.
// use when: clusters of equal sizes serve (bounded work a cluster), at the lowest cost.
// do not use for: data whose clusters are of very unequal sizes: a median cuts through them
// (kmeans).
// cost: n (2 D + log) a level, log2(count) levels, and 4 min(256, points) D a power iteration.
// parameters: count leaves, 1 to the number of points.
#pragma once

#include <cstdint>
#include <span>

#include "core/rng.h"
#include "index/scaled_points.h"

namespace subquad {

// Leaf c of m points: [run_begin(m, c, count), run_begin(m, c + 1, count)). Sizes differ by at
// most 1.
constexpr std::int64_t run_begin(std::int64_t points, std::int64_t c, std::int64_t count) {
  return static_cast<std::int64_t>(static_cast<__int128>(points) * c / count);
}

// Sorts `ids` (ascending on entry) by leaf, ascending inside each leaf. Projections that tie are
// split by position.
void sort_by_tree(const ScaledPoints& points, std::span<std::int32_t> ids, std::int64_t count,
                  const Rng& rng, int threads);

}  // namespace subquad
