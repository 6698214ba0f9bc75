// Weights 2^-|q - p|^2 of queries and points: sums over blocks of points, and single weights.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// Points lie in blocks of so many columns, whatever the instruction set: channel c of a block's
// points at block + c * kPointColumns, blocks dim * kPointColumns floats apart.
inline constexpr std::int64_t kPointColumns = 32;

struct PointBlocks {
  const float* data;
  std::int64_t count, dim;
};

// sums[r] and squares[r] += the sums of w and w^2, w = 2^-|q_r - p|^2, over all points of the
// blocks; rows `stride` floats apart. By differences: no cancellation. 3 dim + 20 flops a pair; f32
// sums, for a few thousand points at a time.
void gaussian_sums(const float* queries, std::int64_t stride, std::int64_t rows,
                   const PointBlocks& points, float* sums, float* squares);

// The same from scores[r * stride + c] = q_r . p_c and the squared norms of queries and points;
// w = 2^(2 score - norms), at most 1. `columns` a multiple of kPointColumns.
struct Norms {
  const float *rows, *columns;
};
void gaussian_score_sums(const float* scores, std::int64_t stride, std::int64_t rows,
                         std::int64_t columns, const Norms& norms, float* sums, float* squares);

// out[c] = |q - p_c|^2, or the weight, of every point of the blocks.
void gaussian_distances(const float* query, const PointBlocks& points, float* out);
void gaussian_weights(const float* query, const PointBlocks& points, float* out);

}  // namespace subquad::kernels
