// Weights of single points for a query, by scaled rows.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace subquad {

// |q - row i|^2.
inline double squared_distance(const float* query, const std::vector<float>& rows, std::int64_t dim,
                               std::int64_t i) {
  const float* row = rows.data() + i * dim;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t c = 0; c < dim; ++c) {
    const float difference = query[c] - row[c];
    sum += difference * difference;
  }
  return double{sum};
}

}  // namespace subquad
