// Rotary position embedding of one head: pairs of entries are turned by an angle each.
//
// source: Su et al. 2021, RoFormer, equation 34.
#pragma once

#include <cstdint>

namespace subquad::ops {

// (a, b) of pair i becomes (a cos[i] - b sin[i], a sin[i] + b cos[i]) for i < pairs, in place.
// Neighbours: the pair is entries (2i, 2i + 1) of x.
void turn_neighbours(const float* cos, const float* sin, std::int64_t pairs, float* x);
// Halves: the pair is entries (i, i + pairs).
void turn_halves(const float* cos, const float* sin, std::int64_t pairs, float* x);

}  // namespace subquad::ops
