// AMX: tile products of bf16 pairs (TDPBF16PS).
//
// Registers 0 to 3 sum 32 x 32 elements, 4 and 5 hold left tiles, 6 and 7 right tiles: four
// products for four loads. A sum is stored just before its register is needed again, not at once.
#include "core/amx_build.h"
#include "kernels/tiles/avx512_steps.h"
#include "kernels/tiles/tile_engine.h"

#if SUBQUAD_AMX
#include <immintrin.h>

// Not for the whole file: headers must not compile for machines that have it.
#define SUBQUAD_TILE_CODE __attribute__((target("avx512f,amx-tile,amx-bf16")))

namespace subquad::kernels {
namespace {

constexpr long kTileBytes = 64;  // of a row
constexpr std::int64_t kScoreBytes = kStepKeys * 4;

// The intrinsics do not tell the compiler that they read memory.
inline void finish_writes() { asm volatile("" ::: "memory"); }

struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

SUBQUAD_TILE_CODE void amx_open() {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = kTileBytes;
    config.rows[i] = kTileRows;
  }
  finish_writes();
  _tile_loadconfig(&config);
}

SUBQUAD_TILE_CODE void amx_close() { _tile_release(); }

// Loads two left and two right tiles.
#define SUBQUAD_LOAD_FACTORS(left0, left1, right0, right1) \
  _tile_loadd(4, left0, kTileBytes);                       \
  _tile_loadd(6, right0, kTileBytes);                      \
  _tile_loadd(5, left1, kTileBytes);                       \
  _tile_loadd(7, right1, kTileBytes)

#define SUBQUAD_MULTIPLY   \
  _tile_dpbf16ps(0, 4, 6); \
  _tile_dpbf16ps(1, 4, 7); \
  _tile_dpbf16ps(2, 5, 6); \
  _tile_dpbf16ps(3, 5, 7)

SUBQUAD_TILE_CODE void amx_scores(const Tile* queries, const Tile* keys, std::int64_t depth,
                                  float* scores) {
  finish_writes();
  float* const below = scores + kTileRows * kStepKeys;
  const Tile *left0 = queries, *left1 = queries + depth;
  const Tile *right0 = keys, *right1 = keys + depth;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::int64_t t = 0; t < depth; ++t) {
    SUBQUAD_LOAD_FACTORS(left0 + t, left1 + t, right0 + t, right1 + t);
    SUBQUAD_MULTIPLY;
  }
  right0 += 2 * depth;
  right1 += 2 * depth;
  SUBQUAD_LOAD_FACTORS(left0, left1, right0, right1);
  _tile_stored(0, scores, kScoreBytes);
  _tile_zero(0);
  _tile_dpbf16ps(0, 4, 6);
  _tile_stored(1, scores + 16, kScoreBytes);
  _tile_zero(1);
  _tile_dpbf16ps(1, 4, 7);
  _tile_stored(2, below, kScoreBytes);
  _tile_zero(2);
  _tile_dpbf16ps(2, 5, 6);
  _tile_stored(3, below + 16, kScoreBytes);
  _tile_zero(3);
  _tile_dpbf16ps(3, 5, 7);
  for (std::int64_t t = 1; t < depth; ++t) {
    SUBQUAD_LOAD_FACTORS(left0 + t, left1 + t, right0 + t, right1 + t);
    SUBQUAD_MULTIPLY;
  }
  _tile_stored(0, scores + 32, kScoreBytes);
  _tile_stored(1, scores + 48, kScoreBytes);
  _tile_stored(2, below + 32, kScoreBytes);
  _tile_stored(3, below + 48, kScoreBytes);
}

SUBQUAD_TILE_CODE void amx_values(const ValueStep& step) {
  finish_writes();
  const Tile *left0 = step.weights, *left1 = step.weights + step.stride;
  const auto stride = static_cast<long>(step.out_stride * 4);
  for (std::int64_t c = 0; c < step.columns; c += 2) {
    float* const out = step.out + c * kTileColumns;
    float* const below = out + kTileRows * step.out_stride;
    _tile_loadd(0, out, stride);
    _tile_loadd(1, out + 16, stride);
    _tile_loadd(2, below, stride);
    _tile_loadd(3, below + 16, stride);
    const Tile* right = step.values + c;
    for (std::int64_t h = 0; h < step.half_steps; ++h, right += step.columns) {
      SUBQUAD_LOAD_FACTORS(left0 + h, left1 + h, right, right + 1);
      SUBQUAD_MULTIPLY;
    }
    _tile_stored(0, out, stride);
    _tile_stored(1, out + 16, stride);
    _tile_stored(2, below, stride);
    _tile_stored(3, below + 16, stride);
  }
}

// Two tile rows or columns of pieces: where their first tiles are, and how far from piece to piece.
struct TilePair {
  const Tile *first, *second;
  std::int64_t stride;
};

// Adds all products of pieces to registers 0 to 3. Pieces that neighbours share are loaded once.
SUBQUAD_TILE_CODE inline void multiply_pieces(const PieceProducts& products, const TilePair& left,
                                              const TilePair& right) {
  std::int64_t i = -1, j = -1;
  for (int k = 0; k < products.count; ++k) {
    const auto [next_i, next_j] = products.pairs[k];
    if (next_i != i) {
      i = next_i;
      _tile_loadd(4, left.first + i * left.stride, kTileBytes);
      _tile_loadd(5, left.second + i * left.stride, kTileBytes);
    }
    if (next_j != j) {
      j = next_j;
      _tile_loadd(6, right.first + j * right.stride, kTileBytes);
      _tile_loadd(7, right.second + j * right.stride, kTileBytes);
    }
    SUBQUAD_MULTIPLY;
  }
}

SUBQUAD_TILE_CODE void amx_split_scores(const SplitScoreStep& step) {
  finish_writes();
  const std::int64_t depth = step.depth;
  const std::int64_t left_row = step.products.left * depth, right_row = step.products.right * depth;
  for (std::int64_t c = 0; c < kStepKeys / kTileColumns; c += 2) {
    float* const out = step.scores + c * kTileColumns;
    float* const below = out + kTileRows * kStepKeys;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    const Tile* left = step.queries;
    const Tile* right = step.keys + c * right_row;
    for (std::int64_t t = 0; t < depth; ++t, ++left, ++right)
      multiply_pieces(step.products, {left, left + left_row, depth},
                      {right, right + right_row, depth});
    _tile_stored(0, out, kScoreBytes);
    _tile_stored(1, out + 16, kScoreBytes);
    _tile_stored(2, below, kScoreBytes);
    _tile_stored(3, below + 16, kScoreBytes);
  }
}

SUBQUAD_TILE_CODE void amx_split_values(const SplitValueStep& step) {
  finish_writes();
  const auto stride = static_cast<long>(step.out_stride * 4);
  for (std::int64_t c = 0; c < step.columns; c += 2) {
    float* const out = step.out + c * kTileColumns;
    float* const below = out + kTileRows * step.out_stride;
    _tile_loadd(0, out, stride);
    _tile_loadd(1, out + 16, stride);
    _tile_loadd(2, below, stride);
    _tile_loadd(3, below + 16, stride);
    const Tile* left = step.weights;
    const Tile* right = step.values + c;
    for (std::int64_t h = 0; h < step.half_steps; ++h) {
      multiply_pieces(step.products, {left, left + step.stride, 2 * step.stride},
                      {right, right + 1, step.columns});
      ++left;
      right += step.products.right * step.columns;
    }
    _tile_stored(0, out, stride);
    _tile_stored(1, out + 16, stride);
    _tile_stored(2, below, stride);
    _tile_stored(3, below + 16, stride);
  }
}

SUBQUAD_TILE_CODE double amx_rounds(std::int64_t repeats) {
  static const Tile zeros{};
  amx_open();
  SUBQUAD_LOAD_FACTORS(&zeros, &zeros, &zeros, &zeros);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::int64_t k = 0; k < repeats; ++k) {
    SUBQUAD_MULTIPLY;
  }
  amx_close();
  return 4 * 2.0 * kTileRows * kTileColumns * kTileDepth * static_cast<double>(repeats);
}

#undef SUBQUAD_LOAD_FACTORS
#undef SUBQUAD_MULTIPLY

}  // namespace

const TileEngine* amx_engine() {
  static constexpr TileEngine engine{"amx",
                                     true,
                                     amx_open,
                                     amx_close,
                                     amx_scores,
                                     avx512_weights,
                                     amx_values,
                                     avx512_gradients,
                                     amx_rounds,
                                     amx_split_scores,
                                     avx512_split_weights,
                                     amx_split_values};
  return &engine;
}

}  // namespace subquad::kernels

#else

namespace subquad::kernels {

const TileEngine* amx_engine() { return nullptr; }

}  // namespace subquad::kernels

#endif
