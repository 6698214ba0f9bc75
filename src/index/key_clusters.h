// Partitions of the keys of a head into clusters of near keys.
//
// source: ours; the three methods are a median-split tree on principal directions (PCA tree,
// Sproull 1991), Lloyd's k-means (1982) on a sample, and runs of sorted LSH codes
// (HyperAttention, Def. 1).
// use when: sums over all keys are wanted at a cost that does not grow with their number
// (multipole).
// do not use for: finding single heavy keys (sort_lsh, expander).
// cost: tree 2 n D log2(count) flops and log2(count) passes of selection; kmeans 2 n D count
// flops; lsh 2 n D log2(count) flops and a sort.
// parameters: count clusters, 1 to n; how the method, tree unless told otherwise: equal sizes at
// the lowest cost. kmeans leaves the least variance within clusters, of very unequal sizes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/index_list.h"
#include "core/rng.h"

namespace subquad {

enum class Clustering : std::uint8_t { tree, kmeans, lsh };

// A partition of the points 0, .., n - 1 into clusters, none of them empty.
struct Partition {
  std::vector<std::int32_t> ids;    // sorted by cluster, ascending inside each
  std::vector<std::int64_t> begin;  // cluster c: ids[begin[c], begin[c + 1]); size() + 1 numbers
  std::vector<std::int32_t> cluster_of;  // of each point

  std::int64_t size() const {
    return begin.empty() ? 0 : static_cast<std::int64_t>(begin.size()) - 1;
  }
  IndexList members(std::int64_t c) const {
    const auto at = static_cast<std::size_t>(c);
    return {ids.data() + begin[at], 0, begin[at + 1] - begin[at], true};
  }
  // Of every cluster; of the listed ones, one after the other.
  std::vector<IndexList> all_members() const;
  std::vector<std::int32_t> members_of(std::span<const std::int32_t> clusters) const;
};

// Clusters `points` (n x dim, row-major) into at most `count` clusters: exactly min(count, n) of
// finite points with tree and lsh; kmeans drops clusters that come out empty. Points that are not
// finite have clusters of their own, at the end (unless count is 1). The same bits for any number
// of threads.
Partition cluster_points(const float* points, std::int64_t n, std::int64_t dim, std::int64_t count,
                         Clustering how, const Rng& rng, int threads);

// Means of the members, size() x dim, summed in double. A cluster with a member that is not finite
// has a mean that is not finite.
std::vector<float> cluster_means(const Partition& partition, const float* points, std::int64_t dim,
                                 int threads);

}  // namespace subquad
