// The backward pass's sums over rows or keys, with non-finite rows kept to those that see them.
#pragma once

#include <cstdint>

#include "rows/row_panels.h"

namespace subquad {

// A of a product that sums over rows, and the weights that say which of its entries are masked:
// same layout.
struct WeightedLeft {
  kernels::LeftMatrix a;
  const float* weights;
};

// C (=, or += with accumulate) A B, for `rows` rows of A and rows [begin, begin + depth) of B: wild
// rows of B reach the rows of C that see them, and no others. C as in kernels::gemm.
void multiply_seen(const WeightedLeft& left, const RowPanels& b, std::int64_t begin,
                   std::int64_t rows, std::int64_t depth, float* c, std::int64_t ldc,
                   bool accumulate);

}  // namespace subquad
