// A block of activations: f32 rows.
#pragma once

#include <cstdint>

namespace subquad::ops {

// f32 rows, `stride` floats apart.
struct Rows {
  float* data = nullptr;
  std::int64_t stride = 0;
  std::int64_t count = 0;

  float* row(std::int64_t r) const { return data + r * stride; }
  Rows slice(std::int64_t begin, std::int64_t length) const { return {row(begin), stride, length}; }
};

}  // namespace subquad::ops
