// The points of the cells nearest to a query, summed exactly.
//
// source: the exact part of DEANN (point_tiles.h), with an inverted file of k-means cells as its
// index: all points of the cells that are looked into count, not the k nearest of them alone.
// cost: C centers, and the points of the cells, of 3 D + 20 flops each, for a single query.
#pragma once

#include <cstdint>
#include <vector>

#include "density/density_store.h"

namespace subquad {

// What is near a query. `weights` and `places` run over the places of the cells looked into.
struct NearPoints {
  double sum = 0;
  std::int64_t count = 0;
  double edge = 1;  // the largest weight in the last cell looked into
  std::int64_t evaluated = 0;
  std::vector<float> weights;
  std::vector<std::int32_t> positions;  // in the permuted order; -1: none

  void clear() {
    sum = 0;
    count = evaluated = 0;
    edge = 1;
    weights.clear();
    positions.clear();
  }
};

// Owns the scratch of one thread.
class NearCells {
 public:
  explicit NearCells(const PointCells& cells) : cells_(cells) {}
  // The nearest cells, until they hold k points.
  void find(const float* query, std::int64_t k, NearPoints& out);

 private:
  void rank(const float* query);
  void add_cell(const float* query, std::int64_t cell, NearPoints& out) const;

  const PointCells& cells_;
  std::vector<float> distances_;
  std::vector<std::int32_t> ranked_;
};

}  // namespace subquad
