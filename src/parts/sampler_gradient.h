// How a sampler's estimate depends on the entries where it is more than the sums of its runs: what
// the backward pass needs beyond them.
#pragma once

#include <cstdint>
#include <span>

#include "rows/score_filter.h"

namespace subquad {

// A row's sum of weights l = heavy sum + light sum; rows are those of the head.
class SamplerGradient {
 public:
  virtual ~SamplerGradient() = default;
  // dl / d (heavy sum): 1 for a plain sum.
  virtual float heavy_factor(std::int64_t row) const = 0;
  // Sampled entries of the sum of weights that l does not depend on.
  virtual const EntrySet& constant_entries() const = 0;
  // Whether heavy entries add their values to o.
  virtual bool has_heavy_values() const = 0;

  // The sum of the weights that the heavy sets leave to one row, on which all rows of its query
  // head depend: pull(r, log2 l_r) = d log l_r / d log (that sum).
  struct Shared {
    std::int64_t row;  // -1: none
    double log2_sum;
  };
  virtual std::span<const Shared> shared() const = 0;  // one for each query head of the group
  virtual double pull(std::int64_t row, double log2_sum) const = 0;
};

}  // namespace subquad
