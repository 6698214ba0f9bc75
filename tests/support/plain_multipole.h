// The multipole part straight from its definition (docs/theory/far_field.md), in double precision,
// for one head. The partition of the keys, what is heavy and what is opened are given; sums,
// moments and the fit share no code with the library.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "index/key_clusters.h"
#include "support/reference_attention.h"

namespace subquad::testing {

inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// A dense row-major table.
struct Table {
  std::int64_t rows = 0, columns = 0;
  std::vector<double> values;

  Table() = default;
  Table(std::int64_t r, std::int64_t c) : rows(r), columns(c), values(at(r * c), 0.0) {}
  double* row(std::int64_t i) { return values.data() + i * columns; }
  const double* row(std::int64_t i) const { return values.data() + i * columns; }
};

double dot(const double* a, const double* b, std::int64_t n);

void add_scaled(double factor, const double* from, std::int64_t n, double* to);

// X of (F^T F + mu I) X = F^T T, mu = lambda * trace(F^T F) / r, by Gaussian elimination.
// mu >= 0: that ridge instead.
Table plain_ridge(const Table& f, const Table& t, double lambda, double mu = -1);

// Queries (scale included), keys and values of one head; scores are natural logits.
struct PlainTensors {
  explicit PlainTensors(const HeadProblem& head);
  double score(std::int64_t i, std::int64_t j) const { return dot(query.row(i), key.row(j), dim); }

  std::int64_t rows, keys, dim, value_dim;
  Table query, key, value;
};

// a b.
Table product(const Table& a, const Table& b);

Table transposed(const Table& a);

// What a low rank keeps of a cluster's covariances: projectors of the key space that are orthogonal
// in `metric`, of trace head_dim. No metric: all is kept.
struct PlainKept {
  Table metric, spread, slope;
};

// Mean, covariances and radius of the keys of one cluster.
struct PlainCluster {
  PlainCluster(const PlainTensors& head, const IndexList& members);
  // Restricted to what is kept; the trace left out goes to all directions alike.
  void restrict(const PlainKept& kept);
  // Natural logit of the cluster's weight at q.
  double logit(const double* q, int order) const;

  std::vector<double> mean;
  Table key_covariance, value_covariance;
  double radius = 0;
};

// The far field of one head: sums are Dv + 1 numbers, the weights' last, times e^-reference(row).
class PlainFar {
 public:
  // kept: of each cluster; empty: all.
  PlainFar(const PlainTensors& head, const Partition& clusters, int order,
           const std::vector<PlainKept>& kept = {});

  const PlainTensors& head() const { return head_; }
  const Partition& clusters() const { return clusters_; }
  std::int64_t width() const { return head_.value_dim + 1; }
  double key_weight(std::int64_t i, std::int64_t j) const {
    return std::exp(scores.row(i)[j] - reference[at(i)]);
  }
  double cluster_weight(std::int64_t i, std::int64_t c) const {
    return std::exp(logits.row(i)[c] - reference[at(i)]);
  }
  std::int64_t cluster_of(std::int64_t j) const { return clusters_.cluster_of[at(j)]; }
  bool is_heavy(std::int64_t i, std::int64_t j) const { return heavy[at(i * head_.keys + j)] != 0; }
  bool is_opened(std::int64_t i, std::int64_t c) const {
    return opened[at(i * clusters_.size() + c)] != 0;
  }
  void add_key(double weight, std::int64_t j, double* sums) const;

  // Adds what the clusters that are closed to row i give it beyond their keys' shares, that is the
  // slopes of their values: in proportion to the keys that are not heavy.
  void add_slopes(std::int64_t i, std::int64_t c, double factor, double* sums) const;

  // Exact sums over all keys.
  std::vector<double> exact(std::int64_t i) const;
  // What row i is given: heavy and opened entries exactly, the rest by clusters, and corrections.
  std::vector<double> estimate(std::int64_t i) const;
  // What a sampled key stands for: its own weight less its share of the far field.
  void add_residual(std::int64_t i, std::int64_t j, double factor, double* sums) const;
  // What the closed clusters of row i miss of their keys that are not heavy.
  std::vector<double> missed(std::int64_t i) const;

  // Features and targets of probe rows.
  Table features(const std::vector<std::int32_t>& probes) const;
  Table targets(const std::vector<std::int32_t>& probes) const;
  // Corrects the coefficients by the ridge fit of what is missed at the probes.
  void fit(const std::vector<std::int32_t>& probes, double lambda);

 private:
  const PlainTensors& head_;
  const Partition& clusters_;
  int order_;
  std::vector<PlainCluster> moments_;

 public:
  Table scores, logits;
  std::vector<double> reference;
  std::vector<std::uint8_t> heavy;   // rows x keys
  std::vector<std::uint8_t> opened;  // rows x clusters
  Table correction;                  // clusters x (Dv + 1)
};

}  // namespace subquad::testing
