// The derivative of ApproxD's denominators, through caps, floor and tau.
//
// With H the heavy sum, F = tau / kappa and C = gamma (H + F), rows that the floor does not raise
// have l = H + sum over samples of n / m min(A, C); raised ones l = H + F. So dl/dH = 1 + gamma n /
// m (number of capped samples), or 1; dl/dF = gamma n / m (number of capped samples), or 1; dl/dA =
// n / m for samples below C, or 0. tau is the light sum of one row, the largest of T.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "parts/sampler_gradient.h"

namespace subquad {

class ApproxDGradient final : public SamplerGradient, private EntrySet {
 public:
  ApproxDGradient(const HeadProblem& head, bool has_heavy_values)
      : group_(head.group),
        has_heavy_values_(has_heavy_values),
        rows_(static_cast<std::size_t>(head.num_rows())) {}

  // What became of a row: the limit of its biased logits, gamma n / m (capped samples), the floor.
  struct Row {
    float limit = 0;
    float capped = 0;
    bool raised = false;
  };
  void record(std::int64_t row, const Row& state) { at(row) = state; }
  // tau of each query head of the group, and log2 of tau / kappa.
  void set_tau(std::vector<Shared> tau, std::vector<double> log2_floor);

  // How often each of the listed keys was drawn, where that is not once: a key's limit is that of
  // its row times this.
  void set_times(const IndexList& keys, const std::vector<std::int64_t>& times,
                 std::int64_t num_keys);

  float heavy_factor(std::int64_t row) const override;
  const EntrySet& constant_entries() const override { return *this; }
  bool has_heavy_values() const override { return has_heavy_values_; }
  std::span<const Shared> shared() const override { return tau_; }
  double pull(std::int64_t row, double log2_sum) const override;

 private:
  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch& scratch) const override;
  Row& at(std::int64_t row) { return rows_[static_cast<std::size_t>(row)]; }
  const Row& at(std::int64_t row) const { return rows_[static_cast<std::size_t>(row)]; }

  std::int64_t group_;
  bool has_heavy_values_;
  std::vector<Row> rows_;
  std::vector<float> log2_times_;  // by key; empty: 0
  std::vector<Shared> tau_;
  std::vector<double> log2_floor_;
};

}  // namespace subquad
