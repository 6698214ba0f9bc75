// Rows of f32 as pieces of bf16.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// Sums of squares of a row x = hi + mid + rest: of x, x - hi and what two pieces leave.
struct PieceSquares {
  float whole, mid, rest;
};

// Piece p of x[c] (tile_pieces.h) at out[p * stride + c], `pieces` 1 to 3. Not finite where x or a
// square is not.
PieceSquares split_row(const float* x, std::int64_t width, int pieces, std::uint16_t* out,
                       std::int64_t stride);

}  // namespace subquad::kernels
