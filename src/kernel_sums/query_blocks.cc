#include "kernel_sums/query_blocks.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernel_sums/kernel_block.h"
#include "index/key_clusters.h"

namespace subquad {
namespace {

constexpr double kFar = 64;  // bandwidths

// In bandwidths, times log2(e).
double squared_distance(const PointRows& points, std::int32_t row, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t c = 0; c < b.size(); ++c) {
    const double gap =
        double{points.data[row * points.dim() + static_cast<std::int64_t>(c)]} - b[c];
    sum += gap * gap * double{points.scales[c]} * double{points.scales[c]};
  }
  return sum;
}

QueryBlock lone(const PointRows& points, std::int32_t row) {
  const float* point = points.data + row * points.dim();
  return {{row}, {point, point + points.dim()}};
}

}  // namespace

std::vector<IndexList> lists_of(const std::vector<QueryBlock>& blocks) {
  std::vector<IndexList> lists;
  for (const QueryBlock& block : blocks) lists.push_back(block.list());
  return lists;
}

std::vector<QueryBlock> make_query_blocks(const PointRows& points, std::int64_t rows,
                                          const Rng& rng, int threads) {
  std::vector<QueryBlock> blocks, alone;
  if (points.count == 0) return blocks;
  const Partition partition =
      cluster_points(points.data, points.count, points.dim(), (points.count + rows - 1) / rows,
                     Clustering::tree, rng, threads);
  for (std::int64_t g = 0; g < partition.size(); ++g) {
    const IndexList members = partition.members(g);
    QueryBlock block{{}, median_point(points.data, members, points.dim())};
    for (std::int64_t i = 0; i < members.count; ++i) {
      const auto row = static_cast<std::int32_t>(members[i]);
      if (squared_distance(points, row, block.center) <= kFar * kFar)
        block.rows.push_back(row);
      else
        alone.push_back(lone(points, row));
    }
    if (!block.rows.empty()) blocks.push_back(std::move(block));
  }
  blocks.insert(blocks.end(), alone.begin(), alone.end());
  return blocks;
}

double radius_of(const PointRows& points, const std::vector<QueryBlock>& blocks) {
  double largest = 0;
  for (const QueryBlock& block : blocks)
    for (const std::int32_t row : block.rows)
      largest = std::max(largest, squared_distance(points, row, block.center));
  return std::sqrt(largest / std::numbers::log2e);
}

}  // namespace subquad
