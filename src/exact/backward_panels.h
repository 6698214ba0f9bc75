// Rows packed as the right-hand side of the backward pass's sums over rows or keys.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"

namespace subquad {

// The B of a product that sums over rows. Rows with an Inf or NaN are zero in the packed copy (0 *
// NaN would reach sums that mask the row) and listed in wild().
class RowPanels {
 public:
  RowPanels(std::int64_t width, std::int64_t capacity);

  // Packs up to `capacity` rows; their memory must stay alive. O(rows * width).
  void pack(const kernels::RowSource& source);

  std::int64_t width() const { return width_; }
  // From row `begin` on.
  kernels::RightMatrix from(std::int64_t begin) const;
  const std::vector<std::int64_t>& wild() const { return wild_; }
  void load(std::int64_t row, float* out) const;

 private:
  void isolate_wild_rows();

  std::int64_t width_, panel_, panel_stride_ = 0;
  kernels::RowSource source_;
  Scratch<float> packed_;
  std::vector<std::int64_t> wild_;
};

// A of such a product, and the weights that say which of its entries are masked: same layout.
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
