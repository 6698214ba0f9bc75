// docs/guide/density.md: densities of an index against plain ones.
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "subquad/density.h"

int main() {
  constexpr std::int64_t n = 300, width = 3;
  std::vector<float> values;
  for (std::int64_t i = 0; i < n * width; ++i)
    values.push_back(static_cast<float>(std::sin(0.7 * static_cast<double>(i * i % 977))));
  const auto points = subquad::dense_view(values.data(), subquad::DType::f32, {1, 1, n, width});
  const auto queries = points;
  // SNIPPET
  if (result.value.size() != static_cast<std::size_t>(n)) return 1;
  for (std::size_t i = 0; i < result.value.size(); ++i)
    if (!(result.value[i] > 0 && result.value[i] <= 1)) {
      std::printf("query %zu: %g\n", i, result.value[i]);
      return 1;
    }
  return result.report.method.empty() ? 1 : 0;
}
