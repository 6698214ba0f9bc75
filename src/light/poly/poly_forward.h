// Rows of a head times the sums over its keys: P(<q, k>) and P(<q, k>) v, over all held keys.
//
// source: "Support Basis" (paper 003), Algorithm 2: U1 (U2^T 1) and U1 (U2^T V).
// cost: r (Dv + 1) multiply-adds a row.
#pragma once

#include "light/poly/monomials.h"
#include "light/poly/poly_model.h"
#include "rows/partial.h"
#include "rows/row_block.h"

namespace subquad {

// One thread's memory.
class PolyForward {
 public:
  explicit PolyForward(const PolyModel& model);

  // Overwrites `out`, one row for each of the block.
  void sum(const RowBlock& rows, const Partial& out);

 private:
  void load_rows(const RowBlock& rows, const Range& part, const Partial& out);
  void multiply(const MonomialPanel& panel, std::int64_t chunk, const Partial& out);

  const PolyModel& model_;
  const MonomialLayout& layout_;
  std::int64_t dim_;
  Scratch<float> channels_, factors_, chain_, features_;
};

}  // namespace subquad
