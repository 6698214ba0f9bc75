// Orders 1 and 2 of the multipole expansion of key clusters: how the keys of a cluster spread about
// their mean, and how their values follow them.
//
// source: ours. The terms are the first cumulants of a cluster's sum,
//   sum_k 2^(q.k) (v_k, 1) ~ n 2^(q.mu + (ln 2 / 2) q^T S q) (v_mean + X^T q ln 2, 1),
// S = cov(k, k), X = cov(k, v); exact where (k, v) is Gaussian within the cluster.
// use when: the scores of a cluster's keys differ by a few units at most (remainder() below 1).
// do not use for: wide clusters: open those (evaluate their keys).
// cost: building n D (D + Dv) multiply-adds and a few rank-wide products a cluster; evaluation
// quadratic_rank D (order 2) and rank (D + Dv) multiply-adds a row and cluster, at GEMM speed.
// parameters: order 0 to 2; rank directions kept of each X and quadratic_rank of each S, 0 to
// head_dim (more is head_dim). Order 1 with rank 0 is order 0. Quadratic rank 0 keeps the trace of
// S alone and costs next to nothing.
//
// The kept directions are those that matter to the queries: with M = L L^T their second moment and
// q = L z, S is L^T S L to z, and that matrix's leading invariant subspace is kept. What is left of
// its trace goes to all directions of the key space alike, S ~ U U^T + even I, so that the mean of
// q^T S q over the queries stays. (Spreading it over the directions of z, S ~ U U^T + even M^-1,
// gives real queries, most of whose length lies in a few directions, the wrong variance.)
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/memory.h"

namespace subquad {

class QueryMetric;
struct ClusterMoments;
struct Partition;

// Immutable; any number of threads may evaluate it, each with a Workspace of its own.
class ClusterShape {
 public:
  struct Input {
    const float* keys = nullptr;          // n x head_dim, dense
    const float* values = nullptr;        // n x value_dim, dense
    const Partition* clusters = nullptr;  // R clusters of the n keys
    const float* means = nullptr;         // R x head_dim
    // head_dim x head_dim, (1/n) sum q q^T of queries that make q . k a base-2 logit.
    const double* metric = nullptr;
    std::int64_t head_dim = 0;
    std::int64_t value_dim = 0;
    std::int64_t rank = 0;  // of X
    int order = 2;
    std::int64_t quadratic_rank = -1;  // of S; -1: rank
  };
  // Scratch of one thread; grows on demand.
  struct Workspace {
    Scratch<float> products, row, sums;
  };

  ClusterShape(const Input& input, int threads);

  int order() const { return order_; }
  std::int64_t rank() const { return rank_; }
  std::int64_t quadratic_rank() const { return quadratic_rank_; }
  const QueryMetric& metric() const { return *metric_; }

  // scores[r * stride + c] += min((ln 2 / 2) q^T S_c q, |q| radius_c), base-2 logits; queries: rows
  // x head_dim, dense. The cap is where no key's score can lie above. Nothing below order 2.
  void add_quadratic(const float* queries, std::int64_t rows, float* scores, std::int64_t stride,
                     Workspace& workspace) const;
  // o[r * o_stride + j] += sum_c weights[r * stride + c] n_c (X_c^T q ln 2)_j for j < value_dim.
  // skip: R bytes, clusters left out where not 0; may be nullptr. Nothing below order 1.
  void add_dipole(const float* queries, std::int64_t rows, const float* weights,
                  std::int64_t stride, const std::uint8_t* skip, float* o, std::int64_t o_stride,
                  Workspace& workspace) const;

  // For each cluster: root mean square over Gaussian queries with the given metric of the first
  // term left out, relative to the cluster's sum of weights. Order 2: the third cumulant, and
  // what the rank left out of S; below: the second. Infinite where a key or value is not finite
  // (such a cluster has no moments: open it).
  std::span<const float> remainder() const { return remainder_; }
  // Largest distance of a member from the cluster's mean.
  std::span<const float> radius() const { return radius_; }

 private:
  // Chunks of `span_` clusters: column a * span_ + j of a chunk is direction a of its cluster j.
  std::int64_t chunks() const { return (clusters_ + span_ - 1) / span_; }
  void allocate();
  void store(std::int64_t cluster, const ClusterMoments& moments);
  void multiply(const std::vector<float>& packed, std::int64_t columns, std::int64_t chunk,
                const float* queries, std::int64_t rows, Workspace& workspace) const;
  void add_quadratic_block(const float* queries, std::int64_t rows, float* scores,
                           std::int64_t stride, Workspace& workspace) const;
  void add_dipole_block(const float* queries, std::int64_t rows, const float* weights,
                        std::int64_t stride, const std::uint8_t* skip, Workspace& workspace) const;

  int order_ = 0;
  std::int64_t clusters_ = 0, head_dim_ = 0, value_dim_ = 0, rank_ = 0, quadratic_rank_ = 0;
  std::int64_t span_ = 1, panel_ = 1, padded_values_ = 0;
  std::shared_ptr<const QueryMetric> metric_;
  std::vector<float> remainder_, radius_;
  // Scaled to base-2 logits; to whole chunks with zeros. Directions: packed panels of each chunk.
  std::vector<float> quadratic_, dipole_;
  std::vector<float> values_;  // row (chunk * rank_ + a) * span_ + j: z, padded_values_ wide
  std::vector<float> even_, cap_;
};

}  // namespace subquad
