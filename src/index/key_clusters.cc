#include "index/key_clusters.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "core/threads.h"
#include "index/cluster_lsh.h"
#include "index/cluster_tree.h"
#include "index/kmeans.h"
#include "index/partition_builder.h"
#include "index/scaled_points.h"

namespace subquad {
namespace {

void add_clusters(PartitionBuilder& builder, ScaledPoints& points, std::int64_t count,
                  Clustering how, const Rng& rng, int threads) {
  if (how == Clustering::kmeans) {
    const std::vector<float> centers = kmeans_centers(points, points.ids, count, rng, threads);
    const auto nearest = nearest_centers(points, points.ids, centers, threads);
    for (const auto& members : lists_of(points.ids, nearest, count)) builder.add(members);
    return;
  }
  if (how == Clustering::tree) sort_by_tree(points, points.ids, count, rng, threads);
  if (how == Clustering::lsh) sort_by_lsh(points, points.ids, count, rng, threads);
  builder.add_runs(points.ids, count);
}

// Clusters for the points that are not finite: their share of `count`, at least 1, and at least 1
// for the others.
std::int64_t share_of_odd(std::int64_t odd, std::int64_t n, std::int64_t count) {
  if (odd == 0) return 0;
  if (odd == n) return std::min(count, n);
  return std::clamp<std::int64_t>(run_begin(count, odd, n), 1, std::min(odd, count - 1));
}

}  // namespace

std::vector<IndexList> Partition::all_members() const {
  std::vector<IndexList> lists;
  for (std::int64_t c = 0; c < size(); ++c) lists.push_back(members(c));
  return lists;
}

std::vector<std::int32_t> Partition::members_of(std::span<const std::int32_t> clusters) const {
  std::vector<std::int32_t> all;
  for (const std::int32_t c : clusters) {
    const IndexList list = members(c);
    all.insert(all.end(), list.ids, list.ids + list.count);
  }
  return all;
}

Partition cluster_points(const float* points, std::int64_t n, std::int64_t dim, std::int64_t count,
                         Clustering how, const Rng& rng, int threads) {
  check_points("cluster_points", n, dim);
  if (count < 1)
    throw_invalid("cluster_points: count must be at least 1, is " + std::to_string(count));
  PartitionBuilder builder;
  ScaledPoints scaled = scale_points(points, n, dim, rng, resolved_threads(threads));
  if (count == 1 && n > 0) {
    std::vector<std::int32_t> all(static_cast<std::size_t>(n));
    std::iota(all.begin(), all.end(), 0);
    builder.add(all);
    return builder.finish();
  }
  const auto finite = static_cast<std::int64_t>(scaled.ids.size());
  const std::int64_t odd = share_of_odd(n - finite, n, count);
  if (finite > 0)
    add_clusters(builder, scaled, std::min(count - odd, finite), how, rng,
                 resolved_threads(threads));
  builder.add_runs(scaled.odd, odd);
  return builder.finish();
}

std::vector<float> cluster_means(const Partition& partition, const float* points, std::int64_t dim,
                                 int threads) {
  check_points("cluster_means", static_cast<std::int64_t>(partition.ids.size()), dim);
  std::vector<float> means(static_cast<std::size_t>(partition.size() * dim));
  parallel_workers(resolved_threads(threads), partition.size(), [&] {
    return [&, sum = std::vector<double>(static_cast<std::size_t>(dim))](std::int64_t c) mutable {
      std::fill(sum.begin(), sum.end(), 0.0);
      const IndexList members = partition.members(c);
      for (std::int64_t i = 0; i < members.count; ++i) {
        const float* point = points + members[i] * dim;
        for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += point[j];
      }
      float* mean = means.data() + c * dim;
      for (std::size_t j = 0; j < sum.size(); ++j)
        mean[j] = static_cast<float>(sum[j] / static_cast<double>(members.count));
    };
  });
  return means;
}

}  // namespace subquad
