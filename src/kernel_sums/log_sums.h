// Logarithms of kernel sums of positive values.
//
// source: DESIGN.md section 2: attention's partial sums (m, l), not divided and not scaled back.
// The logarithm of a value joins its key's logit, so that a key of value 0 sets no reference.
// cost: 2 m n (D + 1) flops for each channel.
#pragma once

#include "core/rng.h"
#include "kernel_sums/kernel_head.h"

namespace subquad {

// Writes the logarithms of query i of the head to out + i * channels. Values are 0 or more, or NaN.
// Returns the kernels evaluated.
std::int64_t log_sums(const KernelHead& head, float* out, const Rng& rng, int threads);

}  // namespace subquad
