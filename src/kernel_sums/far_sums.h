// far(clusters, order, fit, ...): kernel sums by clusters of the keys.
//
// source: ours (docs/guide/kernel_sums.md), the far field of light/multipole.h without a division;
// opened cells as in treecodes (Barnes and Hut 1986). A cluster is one pseudo key at its mean with
// its summed values; order 2 widens its kernel by the cluster's mean variance. `fit` corrects the
// pseudo keys' values by what exact evaluation of that many queries shows missing. For a group of
// near queries, clusters that miss more than `open` at a few other queries of the group are
// evaluated key by key. `error` opens what it takes for a leave-one-out error below it, by as few
// trials as attention does (far/clusters/opening_search.h), and runs exactly where at most `margin`
// of the entries opened cannot do.
// use when: thousands of queries and keys, and a bandwidth that gives a query hundreds of
// neighbours.
// do not use for: bandwidths below the distance of a key to its 100th neighbour: what is left of
// the sum is local (with error= that ends as exact); values with Inf or NaN, or above 2^96 (runs
// exactly).
// cost: clusters + opened keys + (fit and scouts) n / m a query, times 2 (D + C) flops; one pass
// over the keys to cluster them.
// parameters: clusters 1 to 4,096, default 256; order 0 | 2 | best (of the two, by the
// leave-one-out error, default); fit probe queries, 0 to 65,536 and at most m / 4, default 1024;
// open relative to the rms of |y|, 0 (none, default) to 1e6; error relative, in the Frobenius norm,
// 0 (none, default) to 10; group queries that share their opened clusters, 8 to 264, default 256;
// cluster tree | kmeans | lsh, default tree; ridge of the fit relative to its features' mean
// square, 0 (chosen by the leave-one-out error, default) to 1e3; margin 0 to 1, default 0.5.
#pragma once

#include "core/rng.h"
#include "kernel_sums/kernel_far_options.h"
#include "kernel_sums/kernel_head.h"
#include "kernel_sums/kernel_record.h"

namespace subquad {

// Writes the sums of query i of the head to out + i * channels.
KernelRecord far_sums(const KernelHead& head, const KernelFarOptions& options, float* out,
                      const Rng& rng, int threads);

}  // namespace subquad
