// From inner products to distances: attention as a Gaussian kernel.
//
// source: KMV, Lemma 4.1, corrected (docs/guide/kmv.md). With keys k about their mean, M the
// largest |k|^2, k' = (k, sqrt(M - |k|^2)) and q' = (q, 0):
//   exp(s <q, k>) = exp(s (|q|^2 + M) / 2) * exp(-s |q' - k'|^2 / 2),  a bandwidth of 1 / sqrt(s).
// The first factor overflows: it is kept as a logarithm. Softmax does not change when a vector is
// taken off every key; its own factor exp(s <q, mean>) is added to that logarithm.
// cost: n D.
#pragma once

#include <cstdint>
#include <vector>

namespace subquad {

// How keys are lifted, as some reference keys say.
struct KeyLift {
  std::vector<float> center;  // mean of the finite ones
  double largest = 0;         // M, of |k - center|^2

  std::int64_t dim() const { return static_cast<std::int64_t>(center.size()) + 1; }
  // out: D + 1 numbers. The last is 0 for keys longer than any reference key.
  void lift_key(const float* key, float* out) const;
};
KeyLift lift_from(const float* keys, std::int64_t n, std::int64_t dim);

// Attention of m queries and n keys as kernel sums: sum_j exp(scale <q_i, k_j>) x_j =
// exp(log_factor[i]) * sum_j exp(-|q'_i - k'_j|^2 / (2 bandwidth^2)) x_j.
struct GaussianReduction {
  std::int64_t dim = 0;              // D + 1
  std::vector<float> queries, keys;  // rows of dim
  std::vector<double> log_factor;
  double bandwidth = 0;
};
// scale: not 0; a negative one turns the queries round.
GaussianReduction reduce_attention(const float* queries, std::int64_t m, const float* keys,
                                   std::int64_t n, std::int64_t dim, double scale);

}  // namespace subquad
