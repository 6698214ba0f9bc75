// Clusters as equal runs of the points in the order of a Hamming-ordered LSH code.
//
// source: HyperAttention, Definition 1 (Hamming sorted LSH; heavy/sort_lsh.h), on centered points.
// use when: comparing with sortLSH's own notion of near; directions matter and lengths do not.
// do not use for: least variance within clusters: tree costs about the same and leaves less.
// cost: 2 n D bits flops and a radix sort; bits = log2(count) + 2, at most 24.
// parameters: count runs, 1 to the number of points.
#pragma once

#include <cstdint>
#include <span>

#include "core/rng.h"
#include "index/scaled_points.h"

namespace subquad {

// Sorts `ids` (ascending on entry) by run, ascending inside each; runs as in run_begin
// (cluster_tree.h).
void sort_by_lsh(const ScaledPoints& points, std::span<std::int32_t> ids, std::int64_t count,
                 const Rng& rng, int threads);

}  // namespace subquad
