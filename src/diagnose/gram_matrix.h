// Largest singular values of tall matrices through their small Gram matrix.
#pragma once

#include <cstdint>
#include <vector>

namespace subquad {

// Gram matrix M^T M of a tall matrix with `width` columns, row by row.
// cost: width^2 / 2 multiply-adds a row.
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
