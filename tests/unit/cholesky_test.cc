// The factor and the triangular solves by their backward errors, on every instruction set.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/cholesky.h"
#include "support/draw.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr double kCanary = -7.25e8;

struct Matrix {
  std::int64_t rows, stride;
  std::vector<double> data;

  Matrix(std::int64_t r, std::int64_t s)
      : rows(r), stride(s), data(static_cast<std::size_t>(r * s), kCanary) {}
  double& operator()(std::int64_t i, std::int64_t j) {
    return data[static_cast<std::size_t>(i * stride + j)];
  }
  double operator()(std::int64_t i, std::int64_t j) const {
    return data[static_cast<std::size_t>(i * stride + j)];
  }
};

// Lower triangle of M M^T + I for a random n x n M; canary above and beside it.
Matrix positive_definite(Draw& draw, std::int64_t n, std::int64_t stride) {
  Matrix m(n, n), a(n, stride);
  for (double& x : m.data) x = draw.normal();
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j <= i; ++j) {
      a(i, j) = i == j ? 1 : 0;
      for (std::int64_t k = 0; k < n; ++k) a(i, j) += m(i, k) * m(j, k);
    }
  return a;
}

// |L L^T - A| in units of (n + 8) 2^-53 |L| |L|^T: at most 1 (Higham, Theorem 10.3; the 8 covers
// multiplying by the rounded reciprocal of a rounded root).
double factor_error(const Matrix& l, const Matrix& a) {
  double worst = 0;
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t j = 0; j <= i; ++j) {
      long double sum = -static_cast<long double>(a(i, j)), size = 0;
      for (std::int64_t k = 0; k <= j; ++k) {
        const long double term = static_cast<long double>(l(i, k)) * l(j, k);
        sum += term;
        size += std::fabs(term);
      }
      const auto unit = static_cast<long double>(a.rows + 8) * 0x1p-53L;
      worst = std::max(worst, static_cast<double>(std::fabs(sum) / (unit * size)));
    }
  return worst;
}

bool canary_kept(const Matrix& l) {
  for (std::int64_t i = 0; i < l.rows; ++i)
    for (std::int64_t j = i + 1; j < l.stride; ++j)
      if (l(i, j) != kCanary) return false;
  return true;
}

// |op(L) x - b| in units of (n + 8) 2^-53 |op(L)| |x|: at most 1 (Higham, Theorem 8.5).
double solve_error(const Matrix& l, bool transposed, const Matrix& x, const Matrix& b,
                   std::int64_t columns) {
  double worst = 0;
  for (std::int64_t c = 0; c < columns; ++c)
    for (std::int64_t i = 0; i < l.rows; ++i) {
      long double sum = -static_cast<long double>(b(i, c)), size = 0;
      for (std::int64_t k = transposed ? i : 0; k < (transposed ? l.rows : i + 1); ++k) {
        const long double entry = transposed ? l(k, i) : l(i, k), term = entry * x(k, c);
        sum += term;
        size += std::fabs(term);
      }
      const auto unit = static_cast<long double>(l.rows + 8) * 0x1p-53L;
      worst = std::max(worst, static_cast<double>(std::fabs(sum) / (unit * size)));
    }
  return worst;
}

void solve(const Matrix& l, bool transposed, Matrix& b, std::int64_t first, std::int64_t columns) {
  const auto function = transposed ? kernels::solve_lower_transposed : kernels::solve_lower;
  function(l.data.data(), l.rows, l.stride, b.data.data() + first, columns, b.stride);
}

void check_solve(const Matrix& l, bool transposed, std::int64_t columns, Draw& draw) {
  Matrix b(l.rows, columns + 3);
  for (std::int64_t i = 0; i < l.rows; ++i)
    for (std::int64_t c = 0; c < columns; ++c) b(i, c) = draw.normal();
  Matrix x = b;
  solve(l, transposed, x, 0, columns);
  EXPECT_LE(solve_error(l, transposed, x, b, columns), 1.0);
  for (std::int64_t i = 0; i < l.rows; ++i)
    for (std::int64_t c = columns; c < b.stride; ++c) EXPECT_EQ(x(i, c), kCanary);
  Matrix alone = b;
  solve(l, transposed, alone, columns - 1, 1);
  for (std::int64_t i = 0; i < l.rows; ++i) EXPECT_EQ(alone(i, columns - 1), x(i, columns - 1));
}

TEST(Cholesky, FactorsAndSolvesEverySize) {
  on_every_isa([] {
    Draw draw(11);
    for (const std::int64_t n : {1, 2, 3, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 24, 31, 64, 65, 130}) {
      SCOPED_TRACE(n);
      const Matrix a = positive_definite(draw, n, n + draw.integer(0, 5));
      Matrix l = a;
      ASSERT_TRUE(kernels::cholesky(l.data.data(), n, l.stride));
      EXPECT_LE(factor_error(l, a), 1.0);
      EXPECT_TRUE(canary_kept(l));
      for (const std::int64_t columns : {1, 2, 7, 8, 9, 16, 33, 65}) {
        check_solve(l, false, columns, draw);
        check_solve(l, true, columns, draw);
      }
    }
  });
}

TEST(Cholesky, NoColumnsIsNothing) {
  Matrix l(1, 1);
  l(0, 0) = 2;
  kernels::solve_lower(l.data.data(), 1, 1, nullptr, 0, 0);
  kernels::solve_lower_transposed(l.data.data(), 1, 1, nullptr, 0, 0);
}

bool same_bits(const Matrix& a, const Matrix& b) {
  return std::memcmp(a.data.data(), b.data.data(), sizeof(double) * a.data.size()) == 0;
}

// a with one entry replaced is refused and left as it was.
void expect_refused(Matrix a, std::int64_t i, std::int64_t j, double bad) {
  a(i, j) = bad;
  Matrix factor = a;
  EXPECT_FALSE(kernels::cholesky(factor.data.data(), a.rows, a.stride))
      << a.rows << ": " << bad << " at " << i << ", " << j;
  EXPECT_TRUE(same_bits(factor, a));
}

TEST(Cholesky, RefusesWhatIsNotPositiveDefinite) {
  on_every_isa([] {
    Draw draw(12);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double infinity = std::numeric_limits<double>::infinity();
    for (const std::int64_t n : {1, 2, 6, 13, 40}) {
      const Matrix good = positive_definite(draw, n, n);
      for (std::int64_t i = 0; i < n; ++i) {
        for (const double bad : {-1.0, 0.0, nan, infinity, -infinity})
          expect_refused(good, i, i, bad);
        if (i == 0) continue;
        for (const double bad : {1e6, -1e6, nan, infinity})
          expect_refused(good, i, draw.integer(0, i - 1), bad);
      }
    }
  });
}

}  // namespace
}  // namespace subquad::testing
