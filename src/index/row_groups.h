// Groups of similar rows (queries) of a head.
//
// source: ours: k-means on a sample (kmeans.h), one assignment, then cuts by the tree.
// use when: rows are to share a choice of keys (opened clusters of the multipole part).
// do not use for: keys, whose clusters have no bounds on their sizes to keep (key_clusters.h).
// cost: 2 n D (n / target_rows, at most 256) flops, a sort.
// parameters: target_rows rows a group is aimed at, 1 to n; max_rows rows none exceeds, at least 1.
#pragma once

#include <cstdint>

#include "core/rng.h"
#include "index/key_clusters.h"

namespace subquad {

// Groups `points` (n x dim, row-major) around n / target_rows centers (at least 1, at most 256).
// Groups below a quarter of target_rows dissolve into the others; groups above max_rows are cut
// into parts of near equal sizes. Rows that are not finite have groups of their own, at the end.
// The same bits for any number of threads.
Partition group_rows(const float* points, std::int64_t n, std::int64_t dim,
                     std::int64_t target_rows, std::int64_t max_rows, const Rng& rng, int threads);

}  // namespace subquad
