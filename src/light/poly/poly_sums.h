// The sums over the keys of a head that its rows multiply: those before each chunk.
//
// cost: r (Dv + 1) multiply-adds a key; memory r (Dv + 1) floats for each causal chunk, else at
// most 16 times that.
#pragma once

#include <cstdint>
#include <vector>

#include "light/poly/feature_sums.h"
#include "light/poly/held_entries.h"
#include "light/poly/monomials.h"
#include "rows/head_problem.h"

namespace subquad {

// Entries above the threshold become zero (paper 003, SPLIT); 0: none do.
void zero_large_entries(float threshold, float* x, std::int64_t count);

class PolySums {
 public:
  // What is given must outlive this. threshold: of zero_large_entries(), for keys.
  PolySums(const HeadProblem& head, const HeldEntries& held, const MonomialLayout& layout,
           float threshold, int threads);

  // sum_k phi(k) v^T, r rows of stride() floats, and sum_k phi(k), times the monomials' weights.
  const float* products(std::int64_t chunk) const { return sums_.products(last_piece(chunk)); }
  const float* counts(std::int64_t chunk) const { return sums_.counts(last_piece(chunk)); }
  std::int64_t stride() const { return sums_.stride(); }
  // The largest |k| among them, by chunk.
  const std::vector<float>& key_norms() const { return norms_; }

  void load_keys(const IndexList& keys, float* out) const;

 private:
  void measure(int threads);
  void sum(int threads);
  std::int64_t last_piece(std::int64_t chunk) const {
    return last_pieces_[static_cast<std::size_t>(chunk)];
  }

  const HeadProblem& head_;
  const HeldEntries& held_;
  float threshold_;
  FeatureSums sums_;
  std::vector<float> norms_;
  std::vector<std::int64_t> last_pieces_;
};

}  // namespace subquad
