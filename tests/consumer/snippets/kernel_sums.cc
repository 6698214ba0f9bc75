// docs/guide/kernel_sums.md: the far field's sums against plain ones.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "subquad/kernel_sums.h"

int main() {
  constexpr std::int64_t n = 300, width = 3;
  std::vector<float> points, weights, sums(n);
  for (std::int64_t i = 0; i < n * width; ++i)
    points.push_back(static_cast<float>(std::sin(0.7 * static_cast<double>(i * i % 977))));
  for (std::int64_t i = 0; i < n; ++i) weights.push_back(i % 3 == 0 ? 1.0F : 0.5F);
  const auto queries = subquad::dense_view(points.data(), subquad::DType::f32, {1, 1, n, width});
  const auto keys = queries;
  const auto x = subquad::dense_view(weights.data(), subquad::DType::f32, {1, 1, n, 1});
  const auto out = subquad::dense_view(sums.data(), subquad::DType::f32, {1, 1, n, 1});
  // SNIPPET
  for (std::int64_t i = 0; i < n; ++i) {
    double plain = 0;
    for (std::int64_t j = 0; j < n; ++j) {
      double square = 0;
      for (std::int64_t c = 0; c < width; ++c) {
        const double gap = static_cast<double>(points[static_cast<std::size_t>(i * width + c)]) -
                           static_cast<double>(points[static_cast<std::size_t>(j * width + c)]);
        square += gap * gap;
      }
      plain += std::exp(-square / (2 * 1.5 * 1.5)) *
               static_cast<double>(weights[static_cast<std::size_t>(j)]);
    }
    const auto found = static_cast<double>(sums[static_cast<std::size_t>(i)]);
    if (!(std::fabs(found - plain) < 0.1 * plain)) {
      std::printf("query %lld: %g, expected %g\n", static_cast<long long>(i), found, plain);
      return 1;
    }
  }
  return report.path.empty() ? 1 : 0;
}
