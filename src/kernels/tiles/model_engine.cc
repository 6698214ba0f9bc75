// The tile instructions in plain C++, bit for bit: what the other bodies are measured by.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/half.h"
#include "kernels/tiles/tile_engine.h"
#include "kernels/tiles/tile_exp2.h"
#include "kernels/tiles/tile_pack.h"

namespace subquad::kernels {
namespace {

constexpr float kSmallest = std::numeric_limits<float>::min();  // that is no denormal

float flushed(float value) {
  return std::abs(value) < kSmallest ? std::copysign(0.0f, value) : value;
}
float element(std::uint16_t bits) { return flushed(bf16_to_f32(bits)); }

// TDPBF16PS for one element: products of even and of odd positions go their own ways from zero.
float add_products(float sum, const std::uint16_t* left, const Tile& right, std::int64_t column) {
  float even = 0, odd = 0;
  for (std::int64_t i = 0; i < kTileRows; ++i) {
    const std::uint16_t* pair = right.bits + i * kTileDepth + 2 * column;
    even = flushed(std::fma(element(left[2 * i]), element(pair[0]), even));
    odd = flushed(std::fma(element(left[2 * i + 1]), element(pair[1]), odd));
  }
  return flushed(flushed(sum) + flushed(even + odd));
}

// out (16, 16), rows `stride` apart.
void multiply_tiles(const Tile& left, const Tile& right, float* out, std::int64_t stride) {
  for (std::int64_t r = 0; r < kTileRows; ++r)
    for (std::int64_t c = 0; c < kTileColumns; ++c)
      out[r * stride + c] = add_products(out[r * stride + c], left.bits + r * kTileDepth, right, c);
}

void model_scores(const Tile* queries, const Tile* keys, std::int64_t depth, float* scores) {
  std::fill_n(scores, kPanelRows * kStepKeys, 0.0f);
  for (std::int64_t r = 0; r < kPanelRows / kTileRows; ++r)
    for (std::int64_t c = 0; c < kStepKeys / kTileColumns; ++c)
      for (std::int64_t t = 0; t < depth; ++t)
        multiply_tiles(queries[r * depth + t], keys[c * depth + t],
                       scores + r * kTileRows * kStepKeys + c * kTileColumns, kStepKeys);
}

// As CVTPS2DQ and PACKUSDW have it: what is no int32 becomes the smallest one, and that 0.
std::uint16_t units_of(float x) {
  if (!(std::abs(x) < 0x1p31f)) return 0;
  return static_cast<std::uint16_t>(std::clamp(std::nearbyint(x), 0.0f, 65535.0f));
}

std::uint16_t& weight_at(const WeightStep& step, std::int64_t r, std::int64_t key) {
  Tile& tile = step.weights[r / kTileRows * step.stride + key / kTileDepth];
  return tile.bits[r % kTileRows * kTileDepth + weight_column(key % kTileDepth)];
}

// VDPBF16PS with ones: the odd one of a pair first.
void add_weights(const WeightStep& step, std::int64_t r) {
  for (std::int64_t lane = 0; lane < kSumLanes; ++lane) {
    float sum = step.old_sums[r * kSumLanes + lane];
    for (std::int64_t half = 0; half < kStepKeys; half += kTileDepth)
      for (const std::int64_t column : {2 * lane + 1, 2 * lane})
        sum += element(weight_at(step, r, half + weight_key(column)));
    step.new_sums[r * kSumLanes + lane] = sum;
  }
}

bool model_weights(const WeightStep& step) {
  std::uint16_t top = 0;
  for (std::int64_t r = 0; r < kPanelRows; ++r) {
    for (std::int64_t key = 0; key < kStepKeys; ++key) {
      const float score = step.scores[r * kStepKeys + key];
      const std::uint16_t units = units_of(std::fma(score, step.factor, step.offsets[r]));
      top = std::max(top, units);
      weight_at(step, r, key) = exp2_bits(units);
    }
    add_weights(step, r);
  }
  return top == 65535;
}

void model_values(const ValueStep& step) {
  for (std::int64_t r = 0; r < kPanelRows / kTileRows; ++r)
    for (std::int64_t c = 0; c < step.columns; ++c)
      for (std::int64_t h = 0; h < step.half_steps; ++h)
        multiply_tiles(step.weights[r * step.stride + h], step.values[h * step.columns + c],
                       step.out + r * kTileRows * step.out_stride + c * kTileColumns,
                       step.out_stride);
}

float exp2_of(float x) {
  const float whole = std::nearbyint(x), f = x - whole;
  float sum = kExp2Terms[5];
  for (int k = 4; k >= 0; --k) sum = std::fma(sum, f, kExp2Terms[k]);
  return std::ldexp(sum, static_cast<int>(std::min(whole, 1000.0f)));
}

// As VCVTNE2PS2BF16 rounds.
std::uint16_t rounded(float value) { return f32_to_bf16(flushed(value)); }

void model_gradients(const GradientStep& step) {
  for (std::int64_t r = 0; r < kPanelRows; ++r)
    for (std::int64_t key = 0; key < kStepKeys; ++key) {
      const float score = step.scores[r * kStepKeys + key];
      const float x = std::fma(score, step.factor, -step.lse[r]);
      const bool seen = !(score == -HUGE_VALF) && x >= kLeastExponent;
      const float weight = seen ? exp2_of(x) : 0;
      const float gradient =
          seen ? weight * (step.products[r * kStepKeys + key] + step.offsets[r]) : 0;
      const std::int64_t pair =
          r / 2 * kTileDepth + key % kTileColumns * 2 + r % 2;  // in a right tile
      step.weights[key / kTileColumns].bits[pair] = rounded(weight);
      step.gradients[key / kTileColumns].bits[pair] = rounded(gradient);
      step.left_gradients[r / kTileRows * step.stride + key / kTileDepth]
          .bits[r % kTileRows * kTileDepth + key % kTileDepth] = rounded(gradient);
    }
}

void model_split_scores(const SplitScoreStep& step) {
  const PieceProducts& products = step.products;
  std::fill_n(step.scores, kPanelRows * kStepKeys, 0.0f);
  for (std::int64_t r = 0; r < kPanelRows / kTileRows; ++r)
    for (std::int64_t c = 0; c < kStepKeys / kTileColumns; ++c)
      for (std::int64_t t = 0; t < step.depth; ++t)
        for (int k = 0; k < products.count; ++k) {
          const auto [i, j] = products.pairs[k];
          multiply_tiles(step.queries[(r * products.left + i) * step.depth + t],
                         step.keys[(c * products.right + j) * step.depth + t],
                         step.scores + r * kTileRows * kStepKeys + c * kTileColumns, kStepKeys);
        }
}

float fine_exp2_of(float x) {
  const float shifted = x + kExp2Magic, fraction = x - (shifted - kExp2Magic);
  float sum = kExp2FineTerms[5];
  for (int k = 4; k >= 0; --k) sum = std::fma(sum, fraction, kExp2FineTerms[k]);
  return sum * std::bit_cast<float>(std::bit_cast<std::uint32_t>(shifted) << 23);
}

// The weight of row r and this key, whose pieces are stored; its exponent goes into `top`.
float split_weight(const SplitWeightStep& step, std::int64_t r, std::int64_t key, float& top) {
  const float x = std::fma(step.scores[r * kStepKeys + key], step.factor, step.offsets[r]);
  const bool seen = x >= kLeastExponent && x <= std::numeric_limits<float>::max();
  if (seen) top = std::max(top, x);
  const float weight = seen ? fine_exp2_of(x) : 0;
  float left = weight;
  for (std::int64_t p = 0; p < step.pieces; ++p)
    step.weights[(2 * p + r / kTileRows) * step.stride + key / kTileDepth]
        .bits[r % kTileRows * kTileDepth + key % kTileDepth] = piece_bits(take_piece(left));
  return weight;
}

bool model_split_weights(const SplitWeightStep& step) {
  float top = 0;
  for (std::int64_t r = 0; r < kPanelRows; ++r)
    for (std::int64_t lane = 0; lane < kSumLanes; ++lane) {
      float w[kStepKeys / kSumLanes];
      for (std::int64_t i = 0; i < kStepKeys / kSumLanes; ++i)
        w[i] = split_weight(step, r, i * kSumLanes + lane, top);
      step.new_sums[r * kSumLanes + lane] =
          step.old_sums[r * kSumLanes + lane] + ((w[0] + w[1]) + (w[2] + w[3]));
    }
  return top >= 1;
}

void model_split_values(const SplitValueStep& step) {
  const PieceProducts& products = step.products;
  for (std::int64_t r = 0; r < kPanelRows / kTileRows; ++r)
    for (std::int64_t c = 0; c < step.columns; ++c)
      for (std::int64_t h = 0; h < step.half_steps; ++h)
        for (int k = 0; k < products.count; ++k) {
          const auto [i, j] = products.pairs[k];
          multiply_tiles(step.weights[(2 * i + r) * step.stride + h],
                         step.values[(h * products.right + j) * step.columns + c],
                         step.out + r * kTileRows * step.out_stride + c * kTileColumns,
                         step.out_stride);
        }
}

double model_rounds(std::int64_t repeats) {
  Tile left{}, right{};
  float out[kTileRows * kTileColumns] = {};
  for (std::int64_t k = 0; k < repeats; ++k) multiply_tiles(left, right, out, kTileColumns);
  return 2.0 * kTileRows * kTileColumns * kTileDepth * static_cast<double>(repeats);
}

}  // namespace

const TileEngine& model_engine() {
  static constexpr TileEngine engine{"model",
                                     true,
                                     [] {},
                                     [] {},
                                     model_scores,
                                     model_weights,
                                     model_values,
                                     model_gradients,
                                     model_rounds,
                                     model_split_scores,
                                     model_split_weights,
                                     model_split_values};
  return engine;
}

}  // namespace subquad::kernels
