#include "kernel_sums/query_blocks.h"

#include "kernel_sums/kernel_block.h"
#include "index/key_clusters.h"

namespace subquad {
namespace {

constexpr double kFar = 64;  // bandwidths

double squared_distance(const float* a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t c = 0; c < b.size(); ++c) sum += (double{a[c]} - b[c]) * (double{a[c]} - b[c]);
  return sum;
}

QueryBlock lone(const KernelHead& head, std::int32_t row) {
  const float* query = head.query(row);
  return {{row}, {query, query + head.dim}};
}

}  // namespace

std::vector<IndexList> lists_of(const std::vector<QueryBlock>& blocks) {
  std::vector<IndexList> lists;
  for (const QueryBlock& block : blocks) lists.push_back(block.list());
  return lists;
}

std::vector<QueryBlock> make_query_blocks(const KernelHead& head, std::int64_t rows, const Rng& rng,
                                          int threads) {
  std::vector<QueryBlock> blocks, alone;
  if (head.num_queries == 0) return blocks;
  const Partition partition =
      cluster_points(head.queries.data(), head.num_queries, head.dim,
                     (head.num_queries + rows - 1) / rows, Clustering::tree, rng, threads);
  const double limit = kFar / head.scale;
  for (std::int64_t g = 0; g < partition.size(); ++g) {
    const IndexList members = partition.members(g);
    QueryBlock block{{}, median_point(head.queries.data(), members, head.dim)};
    for (std::int64_t i = 0; i < members.count; ++i) {
      const auto row = static_cast<std::int32_t>(members[i]);
      if (squared_distance(head.query(row), block.center) <= limit * limit)
        block.rows.push_back(row);
      else
        alone.push_back(lone(head, row));
    }
    if (!block.rows.empty()) blocks.push_back(std::move(block));
  }
  blocks.insert(blocks.end(), alone.begin(), alone.end());
  return blocks;
}

}  // namespace subquad
