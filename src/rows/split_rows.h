// Rows of a tensor, of any type, as pieces of bf16.
#pragma once

#include <cstdint>

#include "core/memory.h"
#include "rows/step_norms.h"
#include "subquad/tensor.h"

namespace subquad {

// A row that is split has no larger norm; what lies beyond, Inf and NaN go the other way, in f32.
constexpr float kLargestSplitNorm = 3e38f;

// Pieces that make up a number of this type, out of at most order + 1.
constexpr int pieces_of(DType dtype, int order) {
  const int all = dtype == DType::f32 ? 3 : dtype == DType::f16 ? 2 : 1;
  return all < order + 1 ? all : order + 1;
}

class SplitRows {
 public:
  // Memory for so many rows of `width` numbers.
  SplitRows(std::int64_t width, int pieces, std::int64_t rows);

  // Splits a row, the i-th here. The norms are not finite where the row is not.
  PieceNorms load(const void* row, DType dtype, std::int64_t i);
  const std::uint16_t* piece(std::int64_t i, int piece) const {
    return &words_[(i * pieces_ + piece) * width_];
  }
  int pieces() const { return pieces_; }

 private:
  std::int64_t width_;
  int pieces_;
  Scratch<float> row_;
  Scratch<std::uint16_t> words_;
};

}  // namespace subquad
