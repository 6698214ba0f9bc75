// How closely exact attention computes.
#pragma once

#include <cstdint>

namespace subquad {

// The default: f32; on tiles of bf16 (exact/tile_forward.h) what is bf16. Otherwise, where there is
// a matrix unit, numbers split into bf16 ones (rows/split_error.h).
struct ExactPrecision {
  int order = 0;    // 1: three products of f32 (split3); 2: six (split6)
  float error = 0;  // instead: the cheapest whose bound is at most this, row by row; 0: none
  double skip = 0;  // in f32: drop tiles of keys whose weights are at most this times the largest
  bool strict_skip = true;   // each row by itself (rows/tile_skips.h)
  std::int64_t certify = 0;  // rows to hold the bound to

  bool splits() const { return order > 0 || error > 0; }
};

}  // namespace subquad
