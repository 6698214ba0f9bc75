// The inner step of the backward pass: a block of rows meets a block of keys.
#pragma once

#include <cstdint>

#include "core/head_problem.h"
#include "core/memory.h"
#include "exact/backward_keys.h"
#include "exact/backward_rows.h"
#include "exact/score_filter.h"

namespace subquad {

// Weights and score gradients of one block of rows by one block of keys.
class BackwardTile {
 public:
  BackwardTile(std::int64_t head_dim, std::int64_t max_rows, std::int64_t max_keys);

  // Adds to the keys' sums and computes the rows' query gradients, as far as wanted. Five products
  // of 2 * rows * keys * head_dim flops (value_dim for two of them). Returns the score entries
  // evaluated.
  std::int64_t run(const HeadProblem& head, const BackwardRows& rows, BackwardKeys& keys,
                   const WantedGradients& wanted);

  // The last block's sum of dS K for row i; times scale it is the block's share of grad_query.
  const float* grad_query(std::int64_t i) const;
  std::int64_t grad_query_stride() const;

 private:
  void compute_panel(const HeadProblem& head, const BackwardRows& rows, const BackwardKeys& keys,
                     const Range& columns, std::int64_t begin, std::int64_t count, bool gradients);
  void add_products(const BackwardRows& rows, BackwardKeys& keys, const Range& columns,
                    const WantedGradients& wanted);

  std::int64_t head_dim_, stride_;
  Scratch<float> weights_, gradients_, grad_queries_;
  FilterScratch filter_;
};

}  // namespace subquad
