// f32 as sums of bf16: x = hi + mid + lo, each the bf16 nearest to what is left (ties away from 0).
//
// What two pieces leave is at most 2^-16 |x|; three leave nothing of an f32 and two nothing of an
// f16, down to 2^-110: below, pieces become denormals, which tiles take for 0.
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace subquad::kernels {

constexpr int kMostPieces = 3;
constexpr std::uint32_t kPieceRounding = 0x8000, kPieceBits = 0xFFFF0000;

// Takes the next piece of x, as f32.
inline float take_piece(float& x) {
  const auto piece =
      std::bit_cast<float>((std::bit_cast<std::uint32_t>(x) + kPieceRounding) & kPieceBits);
  x -= piece;
  return piece;
}
inline std::uint16_t piece_bits(float piece) {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(piece) >> 16);
}

// Which pieces of left and right numbers are multiplied.
struct PieceProducts {
  struct Pair {
    std::int64_t left, right;
  };
  std::int64_t left = 1, right = 1;  // pieces that the tiles hold of a number
  int count = 0;
  Pair pairs[6] = {};
};

// Of pieces i and j with i + j <= order, order 0, 1 or 2: what is left out is as small as the order
// after it. Neighbours share a piece, which is loaded once; of order 2 the largest comes last.
constexpr PieceProducts piece_products(std::int64_t left, std::int64_t right, int order) {
  constexpr PieceProducts::Pair kThree[] = {{1, 0}, {0, 0}, {0, 1}};
  constexpr PieceProducts::Pair kSix[] = {{2, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 2}, {0, 0}};
  PieceProducts products{left, right, 0, {}};
  const std::span<const PieceProducts::Pair> all =
      order == 2 ? std::span<const PieceProducts::Pair>(kSix) : kThree;
  for (const auto& pair : all)
    if (pair.left < left && pair.right < right && pair.left + pair.right <= order)
      products.pairs[products.count++] = pair;
  return products;
}

}  // namespace subquad::kernels
