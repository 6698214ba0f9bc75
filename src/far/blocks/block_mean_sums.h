// Rows that meet pseudo keys: their sums gain or lose what the blocks hold for them.
//
// cost: D + Dv + 1 multiply-adds for each row and block.
#pragma once

#include <cstdint>

#include "core/memory.h"
#include "far/blocks/block_mean_model.h"
#include "rows/partial.h"

namespace subquad {

// One thread's memory.
class BlockMeanSums {
 public:
  explicit BlockMeanSums(const BlockMeanModel& model);  // must outlive this

  // The blocks in `blocks` that a row has as pseudo keys join its sums, or leave them with the sign
  // -1. queries: of the listed rows, in base-2 units. Rows whose scores float32 cannot hold get a
  // sum of weights of 0: they are computed again exactly.
  void add(const float* queries, const IndexList& rows, const Range& blocks, float sign,
           const Partial& sums);

 private:
  void add_rows(const float* queries, const IndexList& rows, const Range& blocks, float sign,
                const Partial& sums);

  const BlockMeanModel& model_;
  std::int64_t stride_;
  Scratch<float> scores_;
  PartialBuffer sums_;  // width() columns
};

}  // namespace subquad
