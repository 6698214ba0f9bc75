// Elementwise feature maps of linear attention, and their derivatives.
#pragma once

#include <cstdint>

#include "kernels/pack.h"
#include "subquad/linear_attention.h"

namespace subquad::kernels {

// out[j * stride + c] = factor * phi(row(j)[c]) as f32. Columns up to the next whole vector are
// factor * phi(0), from there to `padded` (a multiple of 16) zero. Unless nullptr, sums[c] += the
// sum over the rows, for as many columns. phi(NaN) = NaN. Relative error of elu + 1 below 3e-7 +
// 1e-7 |x|; below -87 it is 0.
void load_features(const RowSource& source, FeatureMap map, float factor, float* out,
                   std::int64_t stride, std::int64_t padded, float* sums);

// gradients[n] *= factor * phi'(x), where features[n] = factor * phi(x). factor > 0 unless `map` is
// none; `count` a multiple of 16.
void multiply_slopes(FeatureMap map, float factor, const float* features, float* gradients,
                     std::int64_t count);

}  // namespace subquad::kernels
