// The columns x = Q k of the score matrix, never formed: queries and keys scaled to be safe in f32,
// and the exact energy |x|^2 of each column.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "core/memory.h"

namespace subquad {

// All rows of a head as f32, times a power of two (the largest entry lies in [1/2, 1)): whether an
// entry is heavy does not depend on the scale. A row with an Inf or a NaN is zero, and so is
// one that sees no key.
struct QueryRows {
  std::int64_t count = 0;
  std::int64_t width = 0;
  Scratch<float> values;     // (count, width)
  std::vector<double> gram;  // Q^T Q, (width, width), of the scaled rows
  double largest_norm = 0;   // max_i |q_i|

  const float* row(std::int64_t i) const { return values.data() + i * width; }
  kernels::RowSource source(const std::int32_t* ids, std::int64_t row_count) const {
    return {values.data(), DType::f32, width, width, ids, 0, row_count};
  }
};

// cost: 2 n D^2 flops in double.
QueryRows load_query_rows(const HeadProblem& head, int threads);

// A run of keys as f32, each times a power of two of its own; one with an Inf or a NaN is zero.
class KeyBlock {
 public:
  KeyBlock(std::int64_t width, std::int64_t capacity);
  void load(const HeadProblem& head, const QueryRows& queries, std::int64_t begin,
            std::int64_t count);

  std::int64_t begin() const { return begin_; }
  std::int64_t count() const { return count_; }
  const float* key(std::int64_t j) const { return values_.data() + j * width_; }
  double energy(std::int64_t j) const { return energy_[static_cast<std::size_t>(j)]; }  // |Q k_j|^2
  double norm(std::int64_t j) const { return norm_[static_cast<std::size_t>(j)]; }      // |k_j|

 private:
  std::int64_t width_, begin_ = 0, count_ = 0;
  Scratch<float> values_;
  std::vector<double> energy_, norm_, product_;
};

// x . y in double.
double dot(const float* x, const float* y, std::int64_t width);

}  // namespace subquad
