#include "rows/backward_panels.h"

#include <vector>

#include "kernels/backward.h"

namespace subquad {

void multiply_seen(const WeightedLeft& left, const RowPanels& b, std::int64_t begin,
                   std::int64_t rows, std::int64_t depth, float* c, std::int64_t ldc,
                   bool accumulate) {
  kernels::gemm(left.a, b.from(begin), rows, b.width(), depth, c, ldc, accumulate);
  if (b.wild().empty()) return;
  std::vector<float> values(static_cast<std::size_t>(b.width()));
  for (const std::int64_t wild : b.wild()) {
    if (wild < begin || wild >= begin + depth) continue;
    b.load(wild, values.data());
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t at = r * left.a.row_stride + (wild - begin) * left.a.depth_stride;
      if (kernels::is_masked(left.weights[at])) continue;
      kernels::add_rows(values.data(), 0, 1, b.width(), left.a.data[at], c + r * ldc, 0);
    }
  }
}

}  // namespace subquad
