// Blocks of near queries that meet keys together.
//
// source: ours: the tree of key_clusters.h; a query farther than 64 bandwidths from its block's
// center would lose its kernels' bits to rounding (kernel_block.h), and stands alone.
// cost: 2 m D log2(m / rows) flops; keys are packed once a block, so lone queries are dear.
#pragma once

#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "core/rng.h"
#include "kernel_sums/kernel_head.h"

namespace subquad {

struct QueryBlock {
  std::vector<std::int32_t> rows;
  std::vector<float> center;

  IndexList list() const { return {rows.data(), 0, static_cast<std::int64_t>(rows.size()), true}; }
};

// Of each block.
std::vector<IndexList> lists_of(const std::vector<QueryBlock>& blocks);

// Points, rows of scales.size().
struct PointRows {
  const float* data;
  std::int64_t count;
  const std::vector<float>& scales;  // as KernelHead's

  std::int64_t dim() const { return std::ssize(scales); }
};

// All points, at most `rows` in a block. Neighbouring blocks are near each other; the lone ones
// come last.
std::vector<QueryBlock> make_query_blocks(const PointRows& points, std::int64_t rows,
                                          const Rng& rng, int threads);
// Largest distance of a row from its block's center, in bandwidths.
double radius_of(const PointRows& points, const std::vector<QueryBlock>& blocks);

inline std::vector<QueryBlock> make_query_blocks(const KernelHead& head, std::int64_t rows,
                                                 const Rng& rng, int threads) {
  return make_query_blocks({head.queries.data(), head.num_queries, head.scales}, rows, rng,
                           threads);
}

}  // namespace subquad
