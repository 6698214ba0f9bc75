// Cholesky factor and triangular solves in double precision.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// a (n x n, row stride `stride` >= n): the lower triangle becomes L with L L^T = a; only it is read
// and written. False if a pivot is not positive or not finite (a is then unchanged). n^3 / 3 flops.
bool cholesky(double* a, std::int64_t n, std::int64_t stride);

// B := L^-1 B and B := L^-T B for the lower triangle of l; B row-major, n x columns. A column's
// result does not depend on the other columns. n^2 * columns flops.
void solve_lower(const double* l, std::int64_t n, std::int64_t stride, double* b,
                 std::int64_t columns, std::int64_t b_stride);
void solve_lower_transposed(const double* l, std::int64_t n, std::int64_t stride, double* b,
                            std::int64_t columns, std::int64_t b_stride);

}  // namespace subquad::kernels
