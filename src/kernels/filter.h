// Masks on rows of base-2 scores: a masked score becomes -inf.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// scores[c] = -inf where mask[c] == 0.
void apply_boolean_mask(float* scores, const std::uint8_t* mask, std::int64_t count);

// scores[c] += to_log2(mask[c]) (core/logits.h: log2(e) times it, finite for all finite ones); -inf
// in the mask wins over NaN in the score.
void apply_additive_mask(float* scores, const float* mask, std::int64_t count);

// Whether all scores of `rows` rows, `stride` floats apart, are finite.
bool finite_scores(const float* scores, std::int64_t stride, std::int64_t rows,
                   std::int64_t columns);

// Whether no magnitude of `count` numbers is above the limit, NaN included.
bool within(const float* x, std::int64_t count, float limit);

// scores[c] *= factor.
void scale_scores(float* scores, float factor, std::int64_t count);

// scores[c] += bias[c].
void add_bias(float* scores, const float* bias, std::int64_t count);

// scores[c] = -inf where ids[c] lies outside (inside) [begin, end).
void mask_outside(float* scores, const std::int32_t* ids, std::int64_t count, std::int32_t begin,
                  std::int32_t end);
void mask_inside(float* scores, const std::int32_t* ids, std::int64_t count, std::int32_t begin,
                 std::int32_t end);

}  // namespace subquad::kernels
