// Points made ready for clustering: f32 whose squares and dot products neither overflow nor, for
// the bulk of the points, underflow.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/memory.h"
#include "core/rng.h"

namespace subquad {

struct ScaledPoints {
  std::int64_t n = 0, dim = 0;
  std::int64_t stride = 0;        // dim rounded up to whole panels; the rest of a row is zero
  Scratch<float> data;            // n x stride
  std::vector<std::int32_t> ids;  // 0, .., n - 1 without the odd ones
  std::vector<std::int32_t> odd;  // rows that are not finite: zeros here

  const float* row(std::int64_t i) const { return data.data() + i * stride; }
};

// (x - center) * scale of every row, with a center and a power of two that a few outliers do not
// move: medians of a sample. Rows still beyond 2^50 are shrunk to that, direction kept.
ScaledPoints scale_points(const float* points, std::int64_t n, std::int64_t dim, const Rng& rng,
                          int threads);

}  // namespace subquad
