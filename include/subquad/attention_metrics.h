// What the analysis of k-NN attention measures of a layer, for exact and for k-NN attention.
//
// source: KVT (paper 000; the definitions are in the main paper and in DESIGN.md, section 6):
// cosine
//   similarity between tokens, standard deviation of the attention weights, norm of a residual
//   branch against the main branch, nonlocality.
// use when: comparing how layers spread their attention, or what dropping keys does to it.
// do not use for: the error of a method (measure.h).
// Results are the same bits for any number of threads. All throw Error (invalid_argument) that
// names the argument at fault; any number of threads may call at once. NaN
// or +Inf among a head's scores or tokens gives NaN.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "subquad/export.h"
#include "subquad/problem.h"
#include "subquad/tensor.h"

namespace subquad {

// Mean of cos(t_i, t_j) over the pairs i != j of the rows t of tokens (B, H, n, d), one for each
// (b, h), in that order; NaN when n < 2. A row of norm 0 has cosine 0 with every other.
// cost: n d, from |sum_i t_i / |t_i||^2 = sum_ij cos(t_i, t_j).
SUBQUAD_API std::vector<double> token_similarity(const TensorView& tokens);

// |branch|_F / |main|_F of every (b, h): x + f(x) with x = main, f(x) = branch, both (B, H, n, d).
// 0 for an empty or zero branch; Inf when only main is zero.
SUBQUAD_API std::vector<double> residual_ratio(const TensorView& branch, const TensorView& main);

using Position = std::array<float, 2>;

// Row-major (y, x) patches of a picture, a unit apart; tokens of a text along a line.
SUBQUAD_API std::vector<Position> grid_positions(std::int64_t height, std::int64_t width);
SUBQUAD_API std::vector<Position> line_positions(std::int64_t length);

struct AttentionStatisticsOptions {
  // k-NN attention: a row's softmax is over its `keep` largest scores (of equal ones the lowest
  // key), the other weights are 0. 0: every key.
  std::int64_t keep = 0;
  // Of every token but the first `leading` (class tokens have no place); empty: no nonlocality.
  std::span<const Position> positions = {};
  std::int64_t leading = 0;
  int threads = 0;
};

// Of one sequence (batch element or packed sequence) and query head.
struct AttentionStatistics {
  std::int64_t sequence = 0;
  std::int64_t head = 0;
  std::int64_t rows = 0;  // that see a key: the others do not count
  // Mean over rows of the standard deviation of the row's weights over the keys that it sees
  // (division by their number). Over all n keys of a row without mask:
  // sqrt(sum_j P_ij^2 / n - 1 / n^2).
  double weight_std = 0;
  // (1 / n) sum_ij P_ij |pos_i - pos_j| over the n rows and the keys that have positions. Weight on
  // leading keys counts as distance 0: divide by 1 - leading_weight for the mean distance of the
  // rest. NaN without positions.
  double nonlocality = 0;
  double leading_weight = 0;  // mean weight of those rows on leading keys; NaN likewise
};

// P are the softmax weights with the problem's masks and sinks; values are never read. Positions
// need as many keys as queries in every sequence. One result for each sequence and query head, in
// that order. cost: 2 Lq Lk D flops and a selection a row; memory 48 rows of scores a thread.
SUBQUAD_API std::vector<AttentionStatistics> attention_statistics(
    const Problem& problem, const AttentionStatisticsOptions& options = {});

}  // namespace subquad
