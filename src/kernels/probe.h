// Elementwise work on probe rows: weights less what the far field implies, and how far a cluster's
// sums are from the model's.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// scores[k] = 2^(scores[k] - m) - shares[ids[k]], 0 where scores[k] is -inf; returns their sum.
// scores[k] - m >= 127 gives Inf. Columns up to the next multiple of `lanes` may be overwritten;
// ids must be readable there and index `shares`.
float weigh_missed(float* scores, std::int64_t columns, float m, const float* shares,
                   const std::int32_t* ids);

// One row's sums over a cluster beside the model's: sum_d (values[d] - share * model[d])^2,
// share = (sum of the weights) / model[value_dim].
float missed_square(const float* weights, std::int64_t keys, const float* values,
                    const float* model, std::int64_t value_dim);

}  // namespace subquad::kernels
