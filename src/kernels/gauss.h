// Gaussian kernels: scores to weights, weights to sums without storing them, and both from
// differences of coordinates.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// Scores of a register block of rows with a tile of keys, `stride` floats apart, and what makes
// weights of them: w[r][k] = 2^min(scores[r][k] + bias[k] - half[r], 0). Columns up to the next
// multiple of `lanes` must be there in scores and bias; bias -inf gives weight 0.
struct GaussScores {
  float* scores;
  std::int64_t stride, rows, columns;
  const float* bias;
  const float* half;
};

// Weights in place.
void gauss_weights(const GaussScores& s);

// sums[r * channels + c] += sum_k w[r][k] values[c * value_stride + k], weights not stored. At most
// kFusedChannels channels. Sums over a call are in f32.
inline constexpr std::int64_t kFusedChannels = 8;
void gauss_sums(const GaussScores& s, const float* values, std::int64_t value_stride,
                std::int64_t channels, double* sums);

// Keys one after the other: `dim` coordinates, `channels` values.
struct GaussKeys {
  const float* points;
  const float* values;
  std::int64_t count, dim, channels;
};

// Queries by coordinate, kGaussQueries to a row, the first `num_queries` of them meant: a multiple
// of every vector's lanes, so that those behind them up to the next multiple of 16 must be numbers.
inline constexpr std::int64_t kGaussQueries = 64;

// sums[c * kGaussQueries + i] += sum_k 2^(-|query_i - k|^2) value_k[c], in f32.
void gauss_direct(const float* queries, std::int64_t num_queries, const GaussKeys& keys,
                  float* sums);

}  // namespace subquad::kernels
