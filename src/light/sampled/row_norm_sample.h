// Draws of keys by the squared norms of their values.
//
// source: HyperAttention, Lemma 2 (Drineas and Kannan 2001); without replacement: ordered pivotal
// sampling (Deville and Tille 1998) with inclusion probabilities proportional to the norms.
// use when: sums of weight * value over all keys are to be estimated.
// do not use for: sums of weights alone: keys with small values, but large weights, are missed.
// cost: n Dv flops for the norms; n log m comparisons and m log n or n random words.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"
#include "kernels/pack.h"

namespace subquad {

// keys[i] stands for weights[i] keys, 1 over the number of times it is expected: for any terms x_j
// that are 0 where the value is, sum_i weights[i] x_keys[i] has the mean sum_j x_j.
struct RowNormSample {
  // The first `certain` keys are in every sample, with weight 1; each part ascends. With
  // replacement keys repeat; if there are more draws than keys, they are counted instead.
  std::vector<std::int32_t> keys;
  std::vector<double> weights;
  std::vector<std::int64_t> counts = {};  // how often each was drawn; empty: once
  std::int64_t certain = 0;
  double correction = 1;  // of the variance of the others (SampleDraw); distinct keys: about
};

// With replacement: m draws, key j with probability p_j = norm_j / sum of norms, weight 1 / (m
// p_j). Without: m distinct keys, key j with probability min(1, c norm_j), c such that these sum to
// m. Keys of norm 0 are never drawn; fewer than m keys of positive norm are all taken. A norm that
// is not finite makes its key certain, beside the m others.
// Draws of different streams are independent.
RowNormSample sample_by_row_norm(std::span<const double> squared_norms, std::int64_t m,
                                 bool replace, const Rng& rng, std::uint32_t stream = 0);

// Each key by itself, with the chance min(1, norm_j m / total): certain ones first. Whether a key
// is drawn, and its weight, depend on nothing but its own norm. `first`: number of the first key's
// draw.
RowNormSample sample_singly(std::span<const double> squared_norms, std::int64_t m, double total,
                            const Rng& rng, std::uint32_t stream, std::int64_t first);

// |v_j|^2 of every row.
std::vector<double> squared_row_norms(const kernels::RowSource& values, int threads);

}  // namespace subquad
