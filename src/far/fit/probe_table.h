// What the far field misses at a few probe rows.
//
// source: ours (docs/theory/far_field.md). Key k of cluster c counts as u_k = 2^(s_k) - w_c(q):
// what exact evaluation gives it beyond its share of the cluster.
// cost: 2 p n (D + Dv) flops for p probes; p (R + slices (Dv + 1)) floats.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "core/memory.h"
#include "rows/row_block.h"
#include "rows/score_filter.h"
#include "rows/attend_run.h"
#include "far/clusters/far_field.h"
#include "index/key_clusters.h"

namespace subquad {

struct ProbeInput {
  const HeadProblem& head;  // without a causal mask: a probe meets every key
  const FarField& far;
  const Partition& clusters;
  IndexList probes;  // rows of the head
  EntrySets heavy;   // entries that are left out
  // Coefficients of the model, R x (Dv + 1): with them, slices are runs of whole clusters and what
  // each cluster misses can be measured. nullptr: slices are `segments` of keys, whatever their
  // clusters.
  const std::vector<float>* prior;
  std::span<const IndexList> segments;
};

// Exact sums of the probe rows over the keys they see: l relative to the table's reference, and the
// output.
struct ProbeRows {
  std::vector<double> l;
  std::vector<float> out;  // p x Dv
};

class ProbeScratch;

class ProbeTable {
 public:
  // The input's references must outlive the table.
  ProbeTable(const ProbeInput& input, int threads);

  // False: a sum is Inf or NaN. The far field cannot serve this head.
  bool finite() const { return finite_; }
  std::int64_t probes() const { return probes_; }
  std::int64_t clusters() const { return clusters_; }

  // w_c(q_i) 2^-m_i for every cluster c; m_i is the probe's reference (base 2).
  const float* weights(std::int64_t probe) const { return weights_.data() + probe * clusters_; }
  // The same times the share of the cluster's keys that heavy sets leave: what its slope counts
  // with.
  const float* slope_weights(std::int64_t probe) const {
    return (slope_weights_.size() > 0 ? slope_weights_ : weights_).data() + probe * clusters_;
  }
  float reference(std::int64_t probe) const { return reference_[static_cast<std::size_t>(probe)]; }
  const float* query(std::int64_t probe) const { return rows_.query(probe); }
  // sum u_k v_k 2^-m_i over the slice's keys, and sum u_k 2^-m_i.
  const float* missed_values(std::int64_t slice, std::int64_t probe) const {
    return missed_.data() + (slice * probes_ + probe) * stride_;
  }
  float missed_weight(std::int64_t slice, std::int64_t probe) const {
    return missed_values(slice, probe)[stride_ - 1];
  }
  std::int64_t slices() const { return slices_; }
  // The same over the entries that heavy sets hold: Dv values, then the weight.
  const float* taken(std::int64_t probe) const { return taken_.data() + probe * (value_dim_ + 1); }
  // With a prior: sum of weights and weighted values of the model, Dv + 1 numbers.
  const float* model(std::int64_t probe) const { return model_.data() + probe * stride_; }
  // Measures what each cluster misses, once; needs a prior. Costs as much as the table.
  void measure(int threads);
  // After measure(): |sum u_k (v_k - out)|^2 2^-2m_i over the cluster's keys, `out` the model's
  // output.
  float missed_square(std::int64_t cluster, std::int64_t probe) const {
    return squares_[probe * clusters_ + cluster];
  }
  // The sums of one cluster for probes [part.begin, part.end): (Dv + 1) numbers each.
  void evaluate(std::int64_t cluster, const Range& part, float* sums, ProbeScratch& scratch) const;
  std::int64_t head_dim() const { return input_.far.head_dim(); }
  std::int64_t value_dim() const { return input_.far.value_dim(); }

 private:
  void weigh_clusters();
  void add_model();
  void weigh_slopes();
  void pack(const IndexList& keys, ProbeScratch& scratch) const;
  IndexList slice_keys(std::int64_t slice) const;
  void add_slices(int threads);
  void add_slice(std::int64_t slice, ProbeScratch& scratch);
  bool weigh_panel(const Range& part, const Range& columns, ProbeScratch& scratch) const;
  void remove_heavy(const Range& part, const Range& columns, float* taken,
                    ProbeScratch& scratch) const;
  void add_panel(const Range& part, float* sums, float* taken, ProbeScratch& scratch);
  void measure_clusters(const Range& part, const Range& columns, ProbeScratch& scratch);

  ProbeInput input_;
  std::int64_t probes_, clusters_, value_dim_, stride_, slices_;
  RowBlock rows_;
  std::vector<float> reference_;
  Scratch<float> weights_, missed_, model_;
  Scratch<float> squares_;      // p x R; empty: not measured
  Scratch<float> slice_taken_;  // slices x p x (Dv + 1), where there are heavy sets
  std::vector<float> taken_;
  Scratch<float> slope_weights_;  // empty: no slopes, or as weights_
  std::atomic<bool> finite_{true};
};

// One thread's memory for probes that meet keys.
class ProbeScratch : public TileScratch {
 public:
  ProbeScratch(std::int64_t head_dim, std::int64_t value_dim);

  Scratch<std::int32_t> clusters;  // of the tile's keys
  Scratch<float> scores;           // of a panel, before heavy entries leave
  std::vector<float> value;
  std::vector<float> weights;  // sum of each row of the panel
  Scratch<float> sums;         // of one register block of rows and a cluster
};

// |error of the output `out`|_2^2 of a row whose estimate misses `missed` (Dv + 1 numbers, the last
// of the weights), relative to its exact sum of weights. An estimate of less than a twentieth of
// that sum counts as that.
double output_error_square(const float* out, const float* missed, std::int64_t value_dim);

// Evaluates the probes of a table, under the head's masks. p n (D + Dv) multiply-adds.
ProbeRows evaluate_probes(const HeadProblem& head, const IndexList& probes, const ProbeTable& table,
                          int threads);

}  // namespace subquad
