// Largest singular values: of the softmax matrix by power iteration through attention itself, of
// tall matrices through their small Gram matrix. No n x n matrix is formed.
#pragma once

#include <cstdint>
#include <vector>

#include "subquad/measure.h"
#include "subquad/problem.h"

namespace subquad {

// |P|_op of every (batch, query head), P = D^-1 A the softmax weights of `problem` with its masks
// and sinks: entry b * Hq + h. A lower bound that rises with each iteration; iteration ends when no
// head's bound rose by more than options.tolerance, or after options.max_iterations. Starts from
// the vector of ones: P has no negative entry, so its leading singular vectors have none either and
// overlap with it.
//
// cost: an iteration is one exact forward and one backward for grad_value with value dimension
// Hq / Hkv, about 4 Lq Lk D flops a query head; memory 4 floats a row and key of each query head.
std::vector<double> attention_norms(const Problem& problem, const MeasureOptions& options);

// Gram matrix M^T M of a tall matrix with `width` columns, row by row. cost: width^2 / 2 a row.
class GramMatrix {
 public:
  explicit GramMatrix(std::int64_t width);
  void add_row(const double* row);
  // |M|_op: the root of the largest eigenvalue, by power iteration to 1e-9 or 2,000 steps.
  double operator_norm() const;

 private:
  void multiply(const std::vector<double>& x, std::vector<double>& y) const;

  std::int64_t width_;
  std::vector<double> entries_;  // upper triangle of a row-major width x width matrix
};

}  // namespace subquad
