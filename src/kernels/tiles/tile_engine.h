// Matrix units on tiles of bf16: one contract, a body for each way to compute it.
//
// A tile is 1 KB, contiguous: 16 rows of 32 bf16. A product of tiles sums over the 32: the left
// tile holds them along its rows; the right tile holds 16 columns, in row i the pair 2 i, 2 i + 1
// of each. What is packed once is only read afterwards (tile_pack.h).
//
// Attention goes in panels of 32 query rows and steps of 64 keys:
//   scores   panel x step, f32, from packed queries and keys
//   weights  exp2 of them, rounded to bf16, as left tiles; their sums, of the rounded weights
//   values   the panel's sums of weight * value, f32, from any number of half steps
// and its backward pass, from scores and from grad_out . value, both by `scores`:
//   gradients  weights and score gradients, as right tiles (summed over rows by `values`, whose
//              left tiles then are transposed rows) and as left ones (summed over keys)
//
// f32 numbers go as sums of two or three bf16 ones (tile_pieces.h): the same steps, split_scores,
// split_weights and split_values, on pieces, with the weights' exp2 in f32.
//
// Sums are f32, products of bf16 exact; denormals count as zero. All bodies but those that say so
// give the same bits.
#pragma once

#include <cstdint>

#include "kernels/tiles/tile_exp2.h"
#include "kernels/tiles/tile_pieces.h"

namespace subquad::kernels {

constexpr std::int64_t kTileRows = 16, kTileDepth = 32, kTileColumns = 16;
constexpr std::int64_t kPanelRows = 32, kStepKeys = 64;
constexpr std::int64_t kSumLanes = 16;  // of a row's sum of weights

struct alignas(64) Tile {
  std::uint16_t bits[kTileRows * kTileDepth];
};

// Weights of a panel and a step. A score s of row r becomes
// 2^((s * factor + offsets[r]) / kOctave - kExponentBias), in bf16; -inf, +inf and NaN become 0,
// and so does everything below 2^-126. Scores * factor + offsets must stay below 2^31.
struct WeightStep {
  const float* scores;    // (kPanelRows, kStepKeys)
  float factor;           // to units of 1 / kOctave octave
  const float* offsets;   // kPanelRows
  Tile* weights;          // two tiles for each of the panel's two tile rows,
  std::int64_t stride;    //   which lie this many tiles apart
  const float* old_sums;  // (kPanelRows, kSumLanes): before
  float* new_sums;        // and after: plus the weights of the step
};
constexpr float kOctave = 512;
constexpr float kExponentBias = 127;
// Offset of a row whose weights are 2^(score - m).
inline float weight_offset(float m) { return kOctave * (kExponentBias - m) + kExp2Rounding; }
constexpr float kWeightError = 0.0057f;  // relative

// Products of the panel's weights with the values of `half_steps` times 32 keys, added to `out`.
struct ValueStep {
  const Tile* weights;  // half_steps tiles for each tile row, `stride` tiles apart
  std::int64_t stride;
  std::int64_t half_steps;
  const Tile* values;    // (half_steps, columns)
  std::int64_t columns;  // of tiles; even
  float* out;            // (kPanelRows, columns * kTileColumns), rows out_stride floats apart
  std::int64_t out_stride;
};

// With x = scores * factor - lse of an entry: weight = 2^x, score gradient = weight * (product +
// offset), both rounded to bf16. Hidden entries (a score of -inf) and x below -126 have zeros. In
// the summed index rows and keys stand in their own order.
struct GradientStep {
  const float* scores;    // (kPanelRows, kStepKeys)
  const float* products;  // likewise: grad_out . value
  float factor;           // to base-2 logits
  const float* lse;       // kPanelRows, base 2
  const float* offsets;   // kPanelRows
  Tile* weights;          // right tiles: four, of 16 keys each
  Tile* gradients;        // likewise
  Tile* left_gradients;   // left tiles: two for each of the panel's two tile rows,
  std::int64_t stride;    //   which lie this many tiles apart
};
constexpr float kLeastExponent = -126;

// Scores from pieces: for each tile along the depth all products, in their order.
struct SplitScoreStep {
  const Tile* queries;  // (2 tile rows, products.left, depth)
  const Tile* keys;     // (4 tile columns, products.right, depth)
  std::int64_t depth;
  const PieceProducts& products;
  float* scores;  // (kPanelRows, kStepKeys)
};

// A score s of row r becomes the weight 2^(s * factor + offsets[r]) in f32, relative error 2^-22;
// -inf, +inf, NaN and what is below 2^-126 become 0. Its pieces stand in the keys' own order.
struct SplitWeightStep {
  const float* scores;
  float factor;           // to octaves
  const float* offsets;   // kPanelRows
  int pieces;             // 2 or 3
  Tile* weights;          // two tiles for each tile row and piece: piece p of tile row r begins at
  std::int64_t stride;    //   (2 p + r) * stride
  const float* old_sums;  // (kPanelRows, kSumLanes), of the f32 weights
  float* new_sums;
};

// weights as above, products.left pieces; values (half_steps, products.right, columns). For each
// half step all products, in their order.
struct SplitValueStep {
  const Tile* weights;
  std::int64_t stride;
  std::int64_t half_steps;
  const Tile* values;
  std::int64_t columns;  // of tiles; even
  const PieceProducts& products;
  float* out;  // (kPanelRows, columns * kTileColumns), rows out_stride floats apart
  std::int64_t out_stride;
};

struct TileEngine {
  const char* name;
  bool matrix_unit;  // several times as fast as f32, not up to twice
  // A thread's calls stand between these.
  void (*open)();
  void (*close)();
  // scores (kPanelRows, kStepKeys) = queries (2 tile rows, depth tiles) x keys (4 tile columns,
  // depth tiles).
  void (*scores)(const Tile* queries, const Tile* keys, std::int64_t depth, float* scores);
  // Returns whether a weight reached 2: it is not what it should be, and the row's offset is to be
  // lowered.
  bool (*weights)(const WeightStep& step);
  void (*values)(const ValueStep& step);
  void (*gradients)(const GradientStep& step);
  // Products of tiles that never leave the registers, for the machine's limit; returns the flops.
  double (*rounds)(std::int64_t repeats);
  void (*split_scores)(const SplitScoreStep& step);
  // As weights().
  bool (*split_weights)(const SplitWeightStep& step);
  void (*split_values)(const SplitValueStep& step);
};

const TileEngine& model_engine();  // plain C++: the definition
const TileEngine* amx_engine();    // nullptr where the build has none
const TileEngine* dot_engine();    // AVX512-BF16, bits of its own; nullptr likewise

// The engine that attention uses: that of the selected instruction set, nullptr where it has none.
const TileEngine* tile_engine();
// Puts another in its place (tests); nullptr: the machine's own.
void set_tile_engine(const TileEngine* engine);

class TileScope {
 public:
  explicit TileScope(const TileEngine& engine) : engine_(engine) { engine_.open(); }
  ~TileScope() { engine_.close(); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;

 private:
  const TileEngine& engine_;
};

}  // namespace subquad::kernels
