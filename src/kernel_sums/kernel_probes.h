// The sample rows of a head: `probes`, which the far field is fitted to and judged by, and
// `scouts`, which say what clusters to open. Apart, so that no probe is judged by a choice of its
// own.
#pragma once

#include <cstdint>
#include <vector>

#include "far/fit/sample_rows.h"
#include "kernel_sums/kernel_block.h"
#include "kernel_sums/kernel_clusters.h"

namespace subquad {

// Runs of sample rows that cut no block, each closed at 48 rows or more.
std::vector<Range> batch_rows(const SampleRows& sample);

// Sums of the source's first `count` keys for every sample row: p x C. p count (D + C)
// multiply-adds.
std::vector<double> sum_at(const KernelHead& head, const SampleRows& sample,
                           const KernelSource& source, std::int64_t count, int threads);

// Kernels of the sample rows with the clusters: p x R.
std::vector<float> weigh_at(const KernelHead& head, const SampleRows& sample,
                            const KernelClusters& clusters, int threads);

// What the clusters miss: blocks x R mean squares over the block's scouts of
// |sum of the cluster - its pseudo key|. 0 for a block without a scout.
std::vector<double> missed_squares(const KernelHead& head, const SampleRows& scouts,
                                   std::int64_t blocks, const KernelClusters& clusters,
                                   int threads);

}  // namespace subquad
