// AVX512-BF16: products of bf16 pairs (VDPBF16PS) on the layout of tiles, for machines without a
// matrix unit. Sums go pair by pair, not tile by tile: scores and values have not the model's bits.
#include "kernels/tiles/avx512_steps.h"
#include "kernels/tiles/tile_engine.h"

#if SUBQUAD_AVX512_TILES
#include <immintrin.h>

#include <cstring>

#define SUBQUAD_DOT_CODE __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

namespace subquad::kernels {
namespace {

constexpr std::int64_t kPairs = kTileRows;  // of a tile's summed index

// A block of sums that stays in registers: rows of left tiles by columns of 16.
template <int rows, int columns>
struct DotBlock {
  __m512 sums[rows][columns];
};

// Pair i of a row of a left tile, in all lanes.
SUBQUAD_DOT_CODE inline __m512bh pair_of(const std::uint16_t* row, std::int64_t i) {
  std::int32_t pair;
  std::memcpy(&pair, row + 2 * i, sizeof(pair));
  return (__m512bh)_mm512_set1_epi32(pair);
}

// Adds one tile's products. left: row 0 of the block in its tile; right: the columns' tiles,
// `apart` tiles from one to the next.
template <int rows, int columns>
SUBQUAD_DOT_CODE inline void add_tile(const std::uint16_t* left, const Tile* right,
                                      std::int64_t apart, DotBlock<rows, columns>& block) {
  for (std::int64_t i = 0; i < kPairs; ++i) {
    __m512bh factors[columns];
#pragma GCC unroll 4
    for (int c = 0; c < columns; ++c)
      factors[c] = (__m512bh)_mm512_load_si512(right[c * apart].bits + i * kTileDepth);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const __m512bh pair = pair_of(left + r * kTileDepth, i);
#pragma GCC unroll 4
      for (int c = 0; c < columns; ++c)
        block.sums[r][c] = _mm512_dpbf16_ps(block.sums[r][c], factors[c], pair);
    }
  }
}

template <int rows, int columns>
SUBQUAD_DOT_CODE inline void load_block(const float* from, std::int64_t stride,
                                        DotBlock<rows, columns>& block) {
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
    for (int c = 0; c < columns; ++c)
      block.sums[i][c] = _mm512_loadu_ps(from + i * stride + c * kTileColumns);
}

template <int rows, int columns>
SUBQUAD_DOT_CODE inline void store_block(const DotBlock<rows, columns>& block, float* to,
                                         std::int64_t stride) {
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
    for (int c = 0; c < columns; ++c)
      _mm512_storeu_ps(to + i * stride + c * kTileColumns, block.sums[i][c]);
}

constexpr int kScoreRows = 4, kScoreColumns = 4, kValueRows = 8, kValueColumns = 2;

SUBQUAD_DOT_CODE void dot_scores(const Tile* queries, const Tile* keys, std::int64_t depth,
                                 float* scores) {
  for (std::int64_t r = 0; r < kPanelRows; r += kScoreRows) {
    DotBlock<kScoreRows, kScoreColumns> block = {};
    const Tile* left = queries + r / kTileRows * depth;
    for (std::int64_t t = 0; t < depth; ++t)
      add_tile(left[t].bits + r % kTileRows * kTileDepth, keys + t, depth, block);
    store_block(block, scores + r * kStepKeys, kStepKeys);
  }
}

SUBQUAD_DOT_CODE void dot_values(const ValueStep& step) {
  for (std::int64_t c = 0; c < step.columns; c += kValueColumns)
    for (std::int64_t r = 0; r < kPanelRows; r += kValueRows) {
      float* const out = step.out + r * step.out_stride + c * kTileColumns;
      const Tile* left = step.weights + r / kTileRows * step.stride;
      DotBlock<kValueRows, kValueColumns> block;
      load_block(out, step.out_stride, block);
      for (std::int64_t h = 0; h < step.half_steps; ++h)
        add_tile(left[h].bits + r % kTileRows * kTileDepth, step.values + h * step.columns + c, 1,
                 block);
      store_block(block, out, step.out_stride);
    }
}

SUBQUAD_DOT_CODE void dot_split_scores(const SplitScoreStep& step) {
  const PieceProducts& products = step.products;
  const std::int64_t depth = step.depth;
  for (std::int64_t r = 0; r < kPanelRows; r += kScoreRows) {
    DotBlock<kScoreRows, kScoreColumns> block = {};
    for (std::int64_t t = 0; t < depth; ++t)
      for (int k = 0; k < products.count; ++k) {
        const auto [i, j] = products.pairs[k];
        const Tile& left = step.queries[(r / kTileRows * products.left + i) * depth + t];
        add_tile(left.bits + r % kTileRows * kTileDepth, step.keys + j * depth + t,
                 products.right * depth, block);
      }
    store_block(block, step.scores + r * kStepKeys, kStepKeys);
  }
}

SUBQUAD_DOT_CODE void dot_split_values(const SplitValueStep& step) {
  const PieceProducts& products = step.products;
  for (std::int64_t c = 0; c < step.columns; c += kValueColumns)
    for (std::int64_t r = 0; r < kPanelRows; r += kValueRows) {
      float* const out = step.out + r * step.out_stride + c * kTileColumns;
      DotBlock<kValueRows, kValueColumns> block;
      load_block(out, step.out_stride, block);
      for (std::int64_t h = 0; h < step.half_steps; ++h)
        for (int k = 0; k < products.count; ++k) {
          const auto [i, j] = products.pairs[k];
          const Tile& left = step.weights[(2 * i + r / kTileRows) * step.stride + h];
          add_tile(left.bits + r % kTileRows * kTileDepth,
                   step.values + (h * products.right + j) * step.columns + c, 1, block);
        }
      store_block(block, out, step.out_stride);
    }
}

SUBQUAD_DOT_CODE double dot_rounds(std::int64_t repeats) {
  static const Tile zeros[2] = {};
  DotBlock<kValueRows, kValueColumns> block = {};
  for (std::int64_t k = 0; k < repeats; ++k) add_tile(zeros[0].bits, zeros, 1, block);
  __m512 total = _mm512_setzero_ps();
  for (const auto& row : block.sums)
    for (const __m512& sum : row) total = _mm512_add_ps(total, sum);
  asm volatile("" : : "v"(total));
  return 2.0 * kValueRows * kValueColumns * kTileColumns * kTileDepth *
         static_cast<double>(repeats);
}

}  // namespace

const TileEngine* dot_engine() {
  static constexpr TileEngine engine{"avx512",
                                     false,
                                     [] {},
                                     [] {},
                                     dot_scores,
                                     avx512_weights,
                                     dot_values,
                                     avx512_gradients,
                                     dot_rounds,
                                     dot_split_scores,
                                     avx512_split_weights,
                                     dot_split_values};
  return &engine;
}

}  // namespace subquad::kernels

#else

namespace subquad::kernels {

const TileEngine* dot_engine() { return nullptr; }

}  // namespace subquad::kernels

#endif
