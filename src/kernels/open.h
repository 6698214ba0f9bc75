// Which columns of a row of scores are opened: those that weigh so much that what stands for them
// must be looked into.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// log2(2^log2_start + sum of 2^scores[c]); log2_start may be -inf. Whole vectors are read: columns
// up to the next multiple of `lanes` must exist and are not counted.
float log2_total(const float* scores, std::int64_t columns, float log2_start);

// Where scores[c] + reach[c] > limit: scores[c] becomes -inf and c joins `opened`, ascending, which
// has room for columns + 1 vector. Returns how many there are. NaN stays as it is. The same columns
// of `reach` and `scores` must exist as above.
std::int64_t open_columns(float* scores, const float* reach, std::int64_t columns, float limit,
                          std::int32_t* opened);

// squares[c] = base[c] + log2(2^sqrt(squares[c]) - 1): by how much a largest score of sqrt(square)
// exceeds none. -inf or next to it at 0; an infinite base stays. Whole vectors are written; the
// same columns of `base` must exist.
void reach_of_squares(const float* base, std::int64_t columns, float* squares);

}  // namespace subquad::kernels
