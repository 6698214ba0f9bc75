// Products of finite rows that float32 loses: a sum that is infinite, or NaN, on its way though
// what it ends at may be small. A score of -inf would pass for a hidden key.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/pack.h"

namespace subquad {

// data[r * stride + c] = row r of `left` times column c of the right-hand side, f32 sums; rows of
// `left` lie `depth` floats apart.
struct Products {
  float* data;
  std::int64_t stride, rows, columns;
  const float* left;
  std::int64_t depth;
};

struct Overflow {
  std::int64_t row, column;
  double product;
};

// Whether all numbers are so small (2^56) that no sum of products of such ones overflows.
bool is_calm(const float* x, std::int64_t count);

// Those that are not finite although both factors are, in double. One pass over the products where
// all are finite; over `left` alone where `right` is known to be calm and `left` turns out to be;
// none where both are known to be. `right`: packed columns, or the rows of a source.
std::vector<Overflow> find_overflows(const Products& products, const kernels::RightMatrix& right,
                                     bool right_is_calm, bool left_is_calm = false);
std::vector<Overflow> find_overflows(const Products& products, const kernels::RowSource& right);

// Puts them right: what float32 cannot hold becomes `lowest` below and +inf above.
void mend_overflows(const Products& products, const std::vector<Overflow>& found, float lowest);

// kernels::stream_scores() of `rows` queries, put right.
void stream_scores(const float* queries, std::int64_t rows, const kernels::RowSource& keys,
                   float lowest, float* scores, std::int64_t stride);

}  // namespace subquad
