// Position embeddings for other resolutions than the trained one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace subquad::vit {

// trained: (1 + from^2, dim), the class token first. Returns (1 + to^2, dim): the class token's
// embedding is kept, the from x from patch embeddings are resampled to to x to by bicubic_taps()
// (resample.h), in double. from == to gives the trained values.
std::vector<float> interpolate_positions(std::span<const float> trained, std::int64_t dim,
                                         std::int64_t from, std::int64_t to);

}  // namespace subquad::vit
