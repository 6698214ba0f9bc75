// A small dense f32 matrix whose rows are padded with zeros to whole panels, so that it can be
// either side of kernels::gemm as it lies.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/gemm.h"

namespace subquad {

class SmallMatrix {
 public:
  // All zeros; keeps its memory.
  void reset(std::int64_t rows, std::int64_t columns) {
    const std::int64_t panel = kernels::blocking().panel;
    rows_ = rows;
    columns_ = columns;
    stride_ = (columns + panel - 1) / panel * panel;
    data_.assign(static_cast<std::size_t>(rows * stride_), 0.0f);
  }
  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  float* row(std::int64_t i) { return data_.data() + i * stride_; }
  const float* row(std::int64_t i) const { return data_.data() + i * stride_; }
  kernels::LeftMatrix left() const { return {data_.data(), stride_, 1}; }
  kernels::LeftMatrix left_transposed() const { return {data_.data(), 1, stride_}; }
  kernels::RightMatrix right() const { return {data_.data(), kernels::blocking().panel, stride_}; }
  // (this) += A B, A: rows() x B's rows.
  void add_product(const kernels::LeftMatrix& a, const SmallMatrix& b) {
    kernels::gemm(a, b.right(), rows_, columns_, b.rows_, data_.data(), stride_, true);
  }
  // (this) = A B.
  void set_product(const SmallMatrix& a, const SmallMatrix& b) {
    reset(a.rows_, b.columns_);
    add_product(a.left(), b);
  }
  void set_transpose(const SmallMatrix& a) {
    reset(a.columns_, a.rows_);
    for (std::int64_t j = 0; j < a.columns_; ++j)
      for (std::int64_t i = 0; i < a.rows_; ++i) row(j)[i] = a.row(i)[j];
  }
  void scale(float factor) {
    for (float& x : data_) x *= factor;
  }

 private:
  std::int64_t rows_ = 0, columns_ = 0, stride_ = 0;
  std::vector<float> data_;
};

}  // namespace subquad
