#include "index/row_groups.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/threads.h"
#include "index/cluster_tree.h"
#include "index/kmeans.h"
#include "index/partition_builder.h"
#include "index/scaled_points.h"

namespace subquad {
namespace {

constexpr std::int64_t kMaxCenters = 256;
constexpr std::int64_t kSmallest = 4;  // groups below target_rows / kSmallest are dissolved

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// The centers of groups of at least `rows` rows; all if there is none.
std::vector<float> large_centers(const std::vector<std::vector<std::int32_t>>& groups,
                                 const std::vector<float>& centers, std::int64_t stride,
                                 std::int64_t rows) {
  std::vector<float> large;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (static_cast<std::int64_t>(groups[g].size()) < rows) continue;
    const float* center = centers.data() + static_cast<std::int64_t>(g) * stride;
    large.insert(large.end(), center, center + stride);
  }
  return large.empty() ? centers : large;
}

// The rows of groups below `rows` move to the nearest of the other groups.
std::vector<std::vector<std::int32_t>> dissolve_small(
    const ScaledPoints& points, const std::vector<std::vector<std::int32_t>>& groups,
    const std::vector<float>& centers, std::int64_t rows, int threads) {
  const std::vector<float> large = large_centers(groups, centers, points.stride, rows);
  if (large.size() == centers.size()) return groups;
  std::vector<std::vector<std::int32_t>> kept;
  std::vector<std::int32_t> moved;
  for (const auto& group : groups)
    if (static_cast<std::int64_t>(group.size()) >= rows)
      kept.push_back(group);
    else
      moved.insert(moved.end(), group.begin(), group.end());
  const auto nearest = nearest_centers(points, moved, large, threads);
  const auto more = lists_of(moved, nearest, static_cast<std::int64_t>(kept.size()));
  for (std::size_t g = 0; g < kept.size(); ++g) {
    kept[g].insert(kept[g].end(), more[g].begin(), more[g].end());
    std::sort(kept[g].begin(), kept[g].end());
  }
  return kept;
}

}  // namespace

Partition group_rows(const float* points, std::int64_t n, std::int64_t dim,
                     std::int64_t target_rows, std::int64_t max_rows, const Rng& rng, int threads) {
  check_points("group_rows", n, dim);
  if (target_rows < 1 || max_rows < 1)
    throw_invalid("group_rows: target_rows and max_rows must be at least 1, are " +
                  std::to_string(target_rows) + " and " + std::to_string(max_rows));
  PartitionBuilder builder;
  const int team = resolved_threads(threads);
  const ScaledPoints scaled = scale_points(points, n, dim, rng, team);
  const auto finite = static_cast<std::int64_t>(scaled.ids.size());
  if (finite > 0) {
    const std::int64_t count =
        std::clamp<std::int64_t>(finite / target_rows, 1, std::min(finite, kMaxCenters));
    const std::vector<float> centers = kmeans_centers(scaled, scaled.ids, count, rng, team);
    const auto nearest = nearest_centers(scaled, scaled.ids, centers, team);
    auto groups = dissolve_small(scaled, lists_of(scaled.ids, nearest, count), centers,
                                 ceil_div(target_rows, kSmallest), team);
    for (auto& group : groups) {
      const std::int64_t parts = ceil_div(static_cast<std::int64_t>(group.size()), max_rows);
      sort_by_tree(scaled, group, parts, rng, team);
      builder.add_runs(group, parts);
    }
  }
  builder.add_runs(scaled.odd, ceil_div(static_cast<std::int64_t>(scaled.odd.size()), max_rows));
  return builder.finish();
}

}  // namespace subquad
