// Blocks of quantised weights to f32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "llama/weight_matrix.h"

namespace subquad::llama {

// `type` is one that has blocks; writes count * block_entries(type) floats.
void widen_blocks(WeightType type, const std::byte* blocks, std::int64_t count, float* out);

}  // namespace subquad::llama
