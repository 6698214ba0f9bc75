#include "ops/rotary.h"

namespace subquad::ops {

void turn_neighbours(const float* cos, const float* sin, std::int64_t pairs, float* x) {
  for (std::int64_t i = 0; i < pairs; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cos[i] - b * sin[i];
    x[2 * i + 1] = a * sin[i] + b * cos[i];
  }
}

void turn_halves(const float* cos, const float* sin, std::int64_t pairs, float* x) {
  for (std::int64_t i = 0; i < pairs; ++i) {
    const float a = x[i], b = x[i + pairs];
    x[i] = a * cos[i] - b * sin[i];
    x[i + pairs] = a * sin[i] + b * cos[i];
  }
}

}  // namespace subquad::ops
