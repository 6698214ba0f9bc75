// Vectors of all clusters, `rank` of each, as either side of kernels::gemm.
//
// Clusters come in chunks of `span`: vector a of a chunk's cluster j is number a * span + j of it,
// so that elementwise work runs over clusters.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/small_matrix.h"

namespace subquad {

struct FactorLayout {
  // About 512 vectors of the larger rank to a chunk, clusters by whole panels.
  FactorLayout(std::int64_t clusters, std::int64_t largest_rank);

  std::int64_t chunks() const { return (clusters + span - 1) / span; }
  // Clusters of the chunk.
  std::int64_t count(std::int64_t chunk) const { return std::min(span, clusters - chunk * span); }
  // Of vector a of the cluster among all.
  std::int64_t number(std::int64_t cluster, std::int64_t a, std::int64_t rank) const {
    return (cluster / span * rank + a) * span + cluster % span;
  }

  std::int64_t clusters, panel, span;
};

class FactorTable {
 public:
  FactorTable(const FactorLayout& layout, std::int64_t rank, std::int64_t width);

  // The matrix' rows; `columns` and `rows` hold them times these factors.
  void set(std::int64_t cluster, const SmallMatrix& vectors, double column_factor,
           double row_factor);

  // width x (rank span): for products of rows with the chunk's vectors.
  kernels::RightMatrix columns(std::int64_t chunk) const;
  // (rank span) x width: for sums of the chunk's vectors.
  kernels::RightMatrix rows(std::int64_t chunk) const;
  std::int64_t vectors_of_chunk() const { return rank_ * layout_.span; }

 private:
  FactorLayout layout_;
  std::int64_t rank_, width_, padded_width_;
  std::vector<float> columns_, rows_;  // zeros where a chunk has no cluster
};

}  // namespace subquad
