// Leading invariant subspaces by subspace iteration, without an eigen-decomposition.
//
// source: orthogonal iteration (Golub & Van Loan, 8.2.4), modified Gram-Schmidt, in the inner
// product of K.
// use when: a few leading directions are wanted, and the sum over them, not each of them.
// do not use for: single eigenvectors (they stay mixed within the subspace).
// cost: kIterations p m (2 m + 3 p) multiply-adds.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/small_matrix.h"

namespace subquad {

class LeadingSubspace {
 public:
  static constexpr int kIterations = 4;

  // Rows a_i (p x m) with a_i K a_j^T = 1 or 0, near the span of the p leading left eigenvectors of
  // K H; h == nullptr: H = I. h, k: m x m, symmetric, positive semidefinite; p <= m. Rows are zero
  // where the rank ends. The start is fixed: the same bits every time.
  void find(const SmallMatrix* h, const SmallMatrix& k, std::int64_t p);

  const SmallMatrix& basis() const { return basis_; }
  const SmallMatrix& products() const { return products_; }  // a K

 private:
  void start(std::int64_t p, std::int64_t m);
  void orthonormalize(const SmallMatrix& k, bool renewing);
  void take_out(std::int64_t i, std::int64_t j);
  float length2(std::int64_t i) const;
  bool normalize(std::int64_t i, float before);
  bool renew(std::int64_t i, const SmallMatrix& k);

  SmallMatrix start_, basis_, products_, next_;
  std::vector<float> lengths_;
};

// a (n x n, dense): the lower triangle becomes L with L L^T = a, for a that is positive
// semidefinite but for rounding: where a pivot is not above 1e-13 of its diagonal entry, the column
// is zero.
void semidefinite_cholesky(std::span<double> a, std::int64_t n);

// sum_i x_i y_i.
float dot_f32(const float* x, const float* y, std::int64_t n);

}  // namespace subquad
