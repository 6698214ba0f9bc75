#include "rows/split_rows.h"

#include <cmath>

#include "kernels/pack.h"
#include "kernels/tiles/tile_pieces.h"
#include "kernels/tiles/tile_split.h"

namespace subquad {
namespace {

// Squares in this range are those of f32 sums; of others these may have lost something.
constexpr float kSmallestSquare = 1e-20f, kLargestSquare = 1e35f;

PieceNorms norms_in_double(const float* row, std::int64_t width) {
  double squares[3] = {};
  for (std::int64_t c = 0; c < width; ++c) {
    float x = row[c];
    for (double& square : squares) {
      square += double{x} * double{x};
      kernels::take_piece(x);
    }
  }
  return {static_cast<float>(std::sqrt(squares[0])), static_cast<float>(std::sqrt(squares[1])),
          static_cast<float>(std::sqrt(squares[2]))};
}

}  // namespace

SplitRows::SplitRows(std::int64_t width, int pieces, std::int64_t rows)
    : width_(width), pieces_(pieces), row_(width), words_(rows * pieces * width) {}

PieceNorms SplitRows::load(const void* row, DType dtype, std::int64_t i) {
  const auto* x = static_cast<const float*>(row);
  if (dtype != DType::f32) {
    kernels::load_rows({row, dtype, width_, width_, nullptr, 0, 1}, 1.0f, row_.data(), width_,
                       width_);
    x = row_.data();
  }
  const kernels::PieceSquares squares =
      kernels::split_row(x, width_, pieces_, &words_[i * pieces_ * width_], width_);
  if (!(squares.whole >= kSmallestSquare && squares.whole <= kLargestSquare))
    return norms_in_double(x, width_);
  return {std::sqrt(squares.whole), std::sqrt(squares.mid), std::sqrt(squares.rest)};
}

}  // namespace subquad
