// The points of the cells nearest to a query, summed exactly.
//
// source: the exact part of DEANN (point_tiles.h), with an inverted file of k-means cells as its
// index: all points of the cells that are looked into count, not the k nearest of them alone.
// cost: C centers, and the points of the cells, of 3 D + 20 flops each, for a single query.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "density/density_store.h"

namespace subquad {

// What is near a query.
class NearPoints {
 public:
  // A cell that was looked into: its points' places in the permuted order, ascending, and the first
  // of its weights.
  struct Cell {
    std::span<const std::int32_t> positions;
    std::size_t first;
    std::size_t next = 0;  // position that the next blocks begin at
  };
  double sum = 0;
  std::int64_t count = 0;
  // The largest weight in the cells looked into after the first: what a point of those that were
  // not is taken to weigh at most.
  double cap = 0;
  std::int64_t evaluated = 0;
  std::vector<float> weights;
  std::vector<Cell> cells;

  // Those of them that lie in these blocks of the permuted order; adds how many to `count_in`.
  // Quick where the blocks follow those of the call before.
  WeightSums take(const Range& blocks, std::int64_t& count_in);

 private:
  std::int64_t reached_ = -1;  // block
};

// Owns the scratch of one thread.
class NearCells {
 public:
  explicit NearCells(const PointCells& cells) : cells_(cells) {}
  // The nearest cells, three and more, until they hold k points.
  NearPoints find(const float* query, std::int64_t k);

 private:
  void rank(const float* query);
  void add_cell(const float* query, std::int64_t cell, NearPoints& out) const;

  const PointCells& cells_;
  std::vector<float> distances_;
  std::vector<std::pair<float, std::int32_t>> ranked_;  // squared distance, cell
};

}  // namespace subquad
