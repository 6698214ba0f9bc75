// The logarithm of a softmax's denominator.
#pragma once

#include <cstdint>

namespace subquad::ops {

// log sum_c exp(x[c]), natural log, sums in f64. -inf without elements or where all are -inf.
double log_sum_exp(const float* x, std::int64_t count);

}  // namespace subquad::ops
