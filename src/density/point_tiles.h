// Points packed for the kernels, and sums of queries' weights over ranges of them.
//
// source: permuted random sampling of DEANN (Karppa, Aumueller, Pagh, "DEANN: speeding up kernel-
// density estimation using approximate nearest neighbor search", AISTATS 2022, section 3): points
// lie in the order of a random permutation, a range of them is a sample without replacement, and
// queries that share it share its loads.
// cost: 3 D + 20 flops a pair; by matrix products, 2 D + 15, from 16 columns on where norms are
// small enough that no bit is lost.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "core/memory.h"
#include "kernels/gaussian.h"

namespace subquad {

class PackedPoints {
 public:
  // Rows order[0], order[1], .. of `rows` (scaled, dim floats each); -1 leaves a place empty: its
  // weights are 0.
  PackedPoints(const float* rows, std::int64_t dim, std::span<const std::int32_t> order);

  std::int64_t dim() const { return dim_; }
  std::int64_t blocks() const { return static_cast<std::int64_t>(norms_.size() / kColumns); }
  kernels::PointBlocks range(std::int64_t begin, std::int64_t count) const {
    return {data_.data() + begin * dim_ * kernels::kPointColumns, count, dim_};
  }
  const float* norms(std::int64_t block) const {
    return norms_.data() + block * kernels::kPointColumns;
  }
  // Whether products of two such vectors keep their bits.
  bool allows_products() const { return products_; }

  static constexpr auto kColumns = static_cast<std::size_t>(kernels::kPointColumns);

 private:
  void place(const float* row, std::int64_t at);

  std::int64_t dim_;
  std::vector<float> data_, norms_;
  bool products_ = false;
};

// Squared norms up to which 2 q . p - |q|^2 - |p|^2 is good to about 1e-4.
inline constexpr float kLargestNorm = 128.0f;
// Columns from which products are faster than differences.
inline constexpr std::int64_t kProductColumns = 16;

// Of one query: sums of weights and of their squares.
struct WeightSums {
  double sum = 0, squares = 0;
};

// Queries side by side: `count` rows of dim floats and their squared norms.
struct QueryTile {
  const float* rows;
  const float* norms;
  std::int64_t count;
};

// Adds up tiles; owns the scratch of one thread.
class TileSums {
 public:
  static constexpr std::int64_t kRows = 64;  // of a tile, at most

  TileSums();
  // sums[r] += those of query r over the blocks.
  void add(const QueryTile& queries, const PackedPoints& points, const Range& blocks,
           WeightSums* sums);

 private:
  void add_part(const QueryTile& queries, const PackedPoints& points, const Range& blocks);
  void add_products(const QueryTile& queries, const PackedPoints& points, const Range& blocks);

  Scratch<float> scores_, sums_, squares_;
};

std::vector<float> squared_norms(std::span<const float> rows, std::int64_t dim);

}  // namespace subquad
