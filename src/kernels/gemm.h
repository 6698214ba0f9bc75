// The one matrix kernel: C (+)= A B with A read by broadcast and B in column panels.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// Register blocking of the instruction set in use. `lanes` f32 fit a vector; B panels are
// `panel` = 2 * lanes columns wide; `rows` rows of C are held in registers at once.
struct Blocking {
  std::int64_t lanes;
  std::int64_t panel;
  std::int64_t rows;
};
Blocking blocking();

// A: element (r, k) at data[r * row_stride + k * depth_stride].
struct LeftMatrix {
  const float* data;
  std::int64_t row_stride;
  std::int64_t depth_stride;
};

// B: column block p (`panel` columns) holds row k of columns [p * panel, (p + 1) * panel) at
// data[p * panel_stride + k * depth_stride]. Packed: depth_stride = panel, and all `panel` columns
// exist in memory. A plain row-major matrix: panel_stride = panel, depth_stride = its row stride;
// columns are read in whole vectors.
struct RightMatrix {
  const float* data;
  std::int64_t panel_stride;
  std::int64_t depth_stride;
};

// C[r * ldc + c] (= or +=) sum_k A(r, k) B(k, c) for r < rows, c < columns rounded up to `lanes`; C
// must have room for the rounded-up columns. Sums run over k in order: a row's result does not
// depend on which rows share the call. 2 * rows * columns * depth flops.
void gemm(const LeftMatrix& a, const RightMatrix& b, std::int64_t rows, std::int64_t columns,
          std::int64_t depth, float* c, std::int64_t ldc, bool accumulate);

}  // namespace subquad::kernels
