// Rows as the right-hand side of a product that sums over them: values, and keys, queries and
// output gradients in the backward pass.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"

namespace subquad {

// Rows with an Inf or NaN are zero in the packed copy (0 * NaN would reach sums that mask the row)
// and listed in wild(); whoever multiplies adds them to the sums that see them. Plain f32 rows
// without such are read where they lie.
class RowPanels {
 public:
  RowPanels(std::int64_t width, std::int64_t capacity);

  // Packs up to `capacity` rows; their memory must stay alive. O(rows * width).
  void pack(const kernels::RowSource& source);

  std::int64_t width() const { return width_; }
  // From row `begin` on.
  kernels::RightMatrix from(std::int64_t begin) const {
    return {matrix_.data + begin * matrix_.depth_stride, matrix_.panel_stride,
            matrix_.depth_stride};
  }
  const std::vector<std::int64_t>& wild() const { return wild_; }
  void load(std::int64_t row, float* out) const;  // one row as it is, `width` floats

 private:
  bool use_in_place();
  void isolate_wild_rows(float* packed);

  std::int64_t width_, panel_;
  kernels::RowSource source_;
  Scratch<float> packed_;
  kernels::RightMatrix matrix_{};
  std::vector<std::int64_t> wild_;
};

}  // namespace subquad
