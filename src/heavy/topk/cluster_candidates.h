// The k best keys of each row among those of the clusters whose means fit it best.
//
// source: inverted lists (Jegou et al. 2011, IVF), clusters chosen by inner product with the mean.
// use when: n is large and the keys cluster; also for flat attention, where hash tables fail.
// do not use for: k near n; causal rows near the start of long sequences profit little.
// cost: clustering (key_clusters.h) and one packed copy of the keys; a row 2 D flops a cluster and
// a candidate, by matrix products: the rows that visit a cluster meet it together.
// parameters: clusters, 1 to 65,536, 0: sqrt(n); probes clusters a row visits, at least 1, 0: as
// many as hold 8 k keys on average, at least 16; how the clusters are made; strict under a causal
// mask or a window, clusters for each piece of the rows (row_pieces.h) out of the keys that all of
// them see, which the other keys join at the nearest mean, default true.
#pragma once

#include <cstdint>

#include "rows/head_problem.h"
#include "core/rng.h"
#include "heavy/topk/kept_keys.h"
#include "index/key_clusters.h"

namespace subquad {

struct ClusterOptions {
  std::int64_t clusters = 0, probes = 0;
  Clustering clustering = Clustering::tree;
  bool strict = true;
};

// Ascending lists of at most k keys; of equal scores the first keys. A row with fewer candidates
// that it may see keeps those; a row with none, or that sees at most k keys, is searched in full.
// Keys that are not finite are candidates of every row. Bits do not depend on `threads`.
KeptLists search_clusters(const HeadProblem& head, std::int64_t k, const ClusterOptions& options,
                          const Rng& rng, int threads);

}  // namespace subquad
