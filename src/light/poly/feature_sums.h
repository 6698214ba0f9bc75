// Sums of monomial features times values, over pieces of a list of rows, and their running totals.
//
// source: "Support Basis" (paper 003), Algorithm 2: U2^T 1 and U2^T V, and in the backward pass
// their adjoint. Features exist for 64 rows and 512 monomials at a time: r (width + 1) floats a
// piece, and never n r. Pieces are summed in f32 (512 rows), then in double. cost: r width
// multiply-adds a row.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/index_list.h"
#include "core/memory.h"
#include "light/poly/monomials.h"

namespace subquad {

// How rows are loaded, a few at a time; thread-safe.
struct SumTerms {
  std::function<void(const IndexList&, float*)> channels;  // dim floats apart
  std::function<void(const IndexList&, float*)> values;    // padded_values(width) floats apart
  // Factors of the monomials by degree, degree + 1 floats apart; empty: 1.
  std::function<void(const IndexList&, float*)> factors = {};
};

class FeatureSums {
 public:
  // counts: also the sums of the features alone. `layout` must outlive this.
  FeatureSums(const MonomialLayout& layout, std::int64_t width, bool counts);

  void sum(const std::vector<IndexList>& pieces, const SumTerms& terms, int threads);
  // Piece i becomes the sum of all up to it, or from_last of all from it on, times the weights of
  // the monomials.
  void add_up(bool from_last, int threads);

  // By feature, stride() floats apart.
  const float* products(std::int64_t piece) const {
    return slots_.data() + piece * slot_size_ + counts_size_;
  }
  const float* counts(std::int64_t piece) const { return slots_.data() + piece * slot_size_; }
  std::int64_t stride() const { return stride_; }

 private:
  class Worker;
  const MonomialLayout& layout_;
  std::int64_t width_, stride_, counts_size_, slot_size_, pieces_ = 0;
  bool with_counts_;
  Scratch<float> slots_;
};

}  // namespace subquad
