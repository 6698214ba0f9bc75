// Online softmax over a tile of scores, in base 2: weights are exp2(score - m).
#pragma once

#include <cstdint>

namespace subquad::kernels {

// The partial sums of `rows` queries: reference exponent m (base 2), l = sum of weights, o = sum of
// weight * value. A fresh row is m = -inf, l = 0, o = 0.
struct RowSums {
  float* m;
  float* l;
  float* o;
  std::int64_t o_stride;
  std::int64_t value_dim;  // columns of o that are rescaled
};

// Scores (base-2 logits, -inf = masked) of `rows` rows by `columns` columns, `stride` floats apart,
// become weights in place: m rises to the row's new maximum, l and o are rescaled and l grows by
// the weights' sum; o is left for the following gemm. Weights below 2^-126 are zero. NaN scores
// give NaN weights. Columns up to the next multiple of `lanes` may be overwritten.
void softmax_update(float* scores, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                    const RowSums& sums);

// tops[r] = the row's largest score, NaN if it holds one. Columns up to the next multiple of
// `lanes` become -inf.
void row_tops(float* scores, std::int64_t stride, std::int64_t rows, std::int64_t columns,
              float* tops);

// Sum of amounts[c] over the columns whose score is not -inf. Both are read in whole vectors: what
// row_tops() has masked behind the last column does not count.
float sum_of_seen(const float* scores, const float* amounts, std::int64_t columns);

// weights[c] = exp2(scores[c] - m[r]) in place, without touching any sum (backward).
void exp2_rows(float* scores, std::int64_t stride, std::int64_t rows, std::int64_t columns,
               const float* m);

}  // namespace subquad::kernels
