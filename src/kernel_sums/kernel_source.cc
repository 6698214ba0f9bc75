#include "kernel_sums/kernel_source.h"

#include <algorithm>
#include <cmath>

namespace subquad {
namespace {

// out = scales (point - center); returns |out|^2.
float place_point(const float* point, const float* center, std::int64_t dim, const float* scales,
                  float* out) {
  float square = 0;
#pragma omp simd reduction(+ : square)
  for (std::int64_t c = 0; c < dim; ++c) {
    out[c] = scales[c] * (point[c] - center[c]);
    square += out[c] * out[c];
  }
  return square;
}

}  // namespace

float KernelFrame::place_query(const float* query, const float* center, float* out) const {
  const float half = place_point(query, center, dim, scales, out) / 2;
  if (with_spread) out[dim] = half;
  return half;
}

float KernelFrame::place_key(const KernelSource& source, std::int64_t j, const float* center,
                             float* out) const {
  const float half = place_point(source.points + j * dim, center, dim, scales, out) / 2;
  if (with_spread) out[dim] = 0;
  if (source.spread == nullptr) return -half;
  const float spread = source.spread[j], wide = 1 + spread;
  for (std::int64_t c = 0; c < dim; ++c) out[c] /= wide;
  out[dim] = spread / wide;
  return -half / wide - 0.5f * static_cast<float>(dim) * std::log2(wide);
}

void CenteredKeys::load(const IndexList& keys, float* points, float* values, float* bias) const {
  for (std::int64_t i = 0; i < keys.count; ++i) {
    bias[i] = frame_.place_key(source_, keys[i], center_, points + i * frame_.width());
    if (source_.bias != nullptr) bias[i] += source_.bias[keys[i]];
    std::copy_n(source_.values + keys[i] * frame_.channels, frame_.channels,
                values + i * frame_.channels);
  }
}

std::vector<float> median_point(const float* points, const IndexList& rows, std::int64_t dim) {
  std::vector<float> center(static_cast<std::size_t>(dim));
  std::vector<float> values(static_cast<std::size_t>(rows.count));
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(rows.count / 2);
  for (std::int64_t c = 0; c < dim && rows.count > 0; ++c) {
    for (std::int64_t r = 0; r < rows.count; ++r)
      values[static_cast<std::size_t>(r)] = points[rows[r] * dim + c];
    std::nth_element(values.begin(), middle, values.end());
    center[static_cast<std::size_t>(c)] = *middle;
  }
  return center;
}

}  // namespace subquad
