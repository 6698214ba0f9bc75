// y = x W^T + b for weights as a file stores them.
//
// Many rows (prefill): pieces of W are widened to f32, packed into panels and multiplied by the
// matrix kernel; a row's result does not depend on which rows share the call. One row (decoding):
// dot products, every weight is read once. All sums are f32.
#pragma once

#include <cstdint>
#include <span>

#include "llama/weight_matrix.h"
#include "ops/rows.h"

namespace subquad::llama {

// Floats that a row of y must have room for: `outputs` in whole vectors.
std::int64_t padded_outputs(std::int64_t outputs);

// y = x W^T + b. x: rows of weight.cols entries; y: as many rows of weight.rows entries, with room
// for padded_outputs, of which those past weight.rows are overwritten. bias: weight.rows entries,
// or none. The same bits for any number of threads.
void multiply(const WeightMatrix& weight, std::span<const float> bias, const ops::Rows& x,
              const ops::Rows& y, int threads);

}  // namespace subquad::llama
