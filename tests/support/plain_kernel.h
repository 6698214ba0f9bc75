// The Gaussian kernel matrix of a few points, entry by entry in double precision.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "subquad/tensor.h"

namespace subquad::testing {

// n x n, row-major, of n x dim points.
inline std::vector<double> plain_kernel(const std::vector<float>& points, std::int64_t dim,
                                        double bandwidth) {
  const auto width = static_cast<std::size_t>(dim), count = points.size() / width;
  std::vector<double> kernel(count * count);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < count; ++j) {
      double square = 0;
      for (std::size_t c = 0; c < width; ++c)
        square += std::pow(double{points[i * width + c]} - double{points[j * width + c]}, 2);
      kernel[i * count + j] = std::exp(-square / (2 * bandwidth * bandwidth));
    }
  return kernel;
}

inline TensorView matrix_view(const std::vector<float>& rows, std::int64_t columns) {
  const auto count = static_cast<std::int64_t>(rows.size()) / columns;
  return dense_view(static_cast<const void*>(rows.data()), DType::f32, {1, 1, count, columns});
}
inline MutableTensorView matrix_view(std::vector<float>& rows, std::int64_t columns) {
  const auto count = static_cast<std::int64_t>(rows.size()) / columns;
  return dense_view(static_cast<void*>(rows.data()), DType::f32, {1, 1, count, columns});
}

}  // namespace subquad::testing
