// Ridge regression of many targets on the same features: the fit of the far field's coefficients
// to probe rows.
//
// source: ridge regression in its normal equations, (F^T F + mu I) C = F^T T; leave-one-out
// residuals from the leverages (Allen's PRESS). Using it to correct a far field is ours.
// use when: a few hundred to a few thousand features, any number of rows and targets.
// do not use for: lambda below about 1e-6 with nearly dependent features: the products are f32
// (summed in double over blocks of 64 rows), and so is G.
// cost: constructor p r^2 + r^3 / 3 flops, solve 2 c r (p + r), leverages p r^2, apply_inverse 2 c
// r^2; r^2 doubles kept.
// parameters: lambda mu relative to the mean of G's diagonal, mu = lambda * trace(G) / r,
// G = F^T F; 0 or more. 0 only where G is positive definite.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"

namespace subquad {

class RidgeFit {
 public:
  // features: F, p x r row-major with row stride r, already multiplied by the columns' prior scale.
  // Read again by solve and leverages: must outlive the fit.
  // |F| should lie within about 1e-18 to 1e18 (its squares are f32).
  // Throws Error for p < 1, r < 1 or a lambda that is negative or not finite.
  RidgeFit(const float* features, std::int64_t p, std::int64_t r, double lambda, int threads);

  // False: the features are not finite or out of range, or G + mu I is not positive definite (for
  // lambda 0: to the precision of f32). Then no other function may be called (they throw Error).
  bool ok() const { return ok_; }

  // mu, the ridge in force.
  double ridge() const { return ridge_; }

  // coefficients C (r x c, row stride out_stride) minimising |F C - T|^2 + mu |C|^2 for targets T
  // (p x c, row stride `stride`). Features that are all zero give C = 0. A column of T gets the
  // same bits whatever columns share the call; a value that is not finite spoils its own column
  // only.
  void solve(const float* targets, std::int64_t stride, std::int64_t c, float* coefficients,
             std::int64_t out_stride, int threads) const;

  // h_i = f_i^T (G + mu I)^-1 f_i for the p rows, in [0, 1): residual_i / (1 - h_i) is the residual
  // of row i under the fit without it (same mu).
  std::vector<float> leverages(int threads) const;

  // out = (G + mu I)^-1 rhs, both r x c. The adjoint of solve: with Z = apply_inverse(dC),
  //   dT = F Z,  dF = T Z^T - F (C Z^T + Z C^T) - (2 lambda / r) <Z, C> F
  // (the last term because mu moves with trace(G)). Features that are all zero give 0.
  void apply_inverse(const float* rhs, std::int64_t stride, std::int64_t c, float* out,
                     std::int64_t out_stride, int threads) const;

 private:
  void factorize(double lambda, int threads);
  void check_ok() const;

  const float* features_;
  std::int64_t rows_;   // p
  std::int64_t width_;  // r
  std::int64_t stride_ = 0;
  Scratch<double> factor_;  // lower Cholesky factor of G + mu I, row stride stride_
  double ridge_ = 0;
  bool ok_ = false;
  bool zero_ = false;  // every feature is zero
};

}  // namespace subquad
