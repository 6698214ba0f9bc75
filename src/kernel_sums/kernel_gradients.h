// Gradients of exact kernel sums by the points and weights of one side, given the other's.
//
// source: y_i = sum_k w_ik x_k, w = 2^(-|q' - k'|^2 / 2) in scaled coordinates (kernel_source.h);
// with a_ik = w_ik <g_i, x_k> and g = dL / dy: dL/dx_k = sum_i w_ik g_i, dL/dq'_i = ln 2 sum_k a_ik
// (k' - q'_i), dL/dk'_k = ln 2 sum_i a_ik (q'_i - k'), dL/dsigma_c = ln 2 / sigma_c sum_ik a_ik
// (q'_i - k')_c^2. Queries and keys have the same formulas with x and g in each other's place: one
// pass for each, so that no two threads add to one row.
// cost: 2 m n (2 D + C) flops a pass, 2 m n C more for sums, 2 m n D more for squares; rows of D
// and C floats, and a few MB a thread.
#pragma once

#include <cstdint>

#include "core/rng.h"
#include "kernel_sums/kernel_source.h"
#include "kernel_sums/query_blocks.h"

namespace subquad {

// Points, rows of D, and what stands at each: its value, or its sum's gradient, rows of C.
struct KernelSide {
  const float* points;
  const float* weights;
  std::int64_t count;
};

// What is not wanted is nullptr. Each by row of the side.
struct SideGradients {
  float* sums = nullptr;      // sum of w times the other side's weights, rows of C
  double* moves = nullptr;    // sum of a (other - own), in scaled coordinates, rows of D
  double* squares = nullptr;  // D: sum over all pairs of a (other - own)^2, in scaled coordinates
};

// `scales` as KernelHead's, one for each coordinate. Both sides have at least one point.
void side_gradients(const std::vector<float>& scales, std::int64_t channels, const KernelSide& own,
                    const KernelSide& other, const SideGradients& gradients, const Rng& rng,
                    int threads);

}  // namespace subquad
