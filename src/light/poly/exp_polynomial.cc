#include "light/poly/exp_polynomial.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace subquad {
namespace {

using Real = long double;
using Reals = std::vector<Real>;

constexpr int kExchanges = 40;
constexpr std::int64_t kGrid = 40;  // points an extremum

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// sum_k c_k T_k(u), by Clenshaw's recurrence.
Real clenshaw(const Reals& c, Real u) {
  Real one = 0, two = 0;
  for (std::size_t k = c.size(); k-- > 1;) {
    const Real next = 2 * u * one - two + c[k];
    two = std::exchange(one, next);
  }
  return u * one - two + c[0];
}

// Coefficients of powers.
Reals to_powers(const Reals& chebyshev) {
  const std::size_t count = chebyshev.size();
  Reals powers(count, 0), before(count, 0), now(count, 0);
  before[0] = 1;
  powers[0] = chebyshev[0];
  if (count > 1) now[1] = 1;
  for (std::size_t k = 1; k < count; ++k) {
    for (std::size_t m = 0; m < count; ++m) powers[m] += chebyshev[k] * now[m];
    Reals next(count, 0);
    for (std::size_t m = 0; m < count; ++m)
      next[m] = (m > 0 ? 2 * now[m - 1] : Real{0}) - before[m];
    before.swap(now);
    now.swap(next);
  }
  return powers;
}

// Of exp(bound (u - 1)) in the degree + 1 Chebyshev points.
Reals interpolate(std::int64_t degree, Real bound) {
  const std::int64_t count = degree + 1;
  Reals c(at(count), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    const Real angle =
        std::numbers::pi_v<Real> * (static_cast<Real>(i) + Real{0.5}) / static_cast<Real>(count);
    const Real value = std::exp(bound * (std::cos(angle) - 1));
    for (std::int64_t k = 0; k < count; ++k)
      c[at(k)] += (k == 0 ? 1 : 2) * value * std::cos(static_cast<Real>(k) * angle) /
                  static_cast<Real>(count);
  }
  return c;
}

// Solves the square system in place by elimination with row pivots.
Reals solve(std::vector<Reals> matrix, Reals right) {
  const std::size_t n = right.size();
  for (std::size_t column = 0; column < n; ++column) {
    std::size_t pivot = column;
    for (std::size_t r = column + 1; r < n; ++r)
      if (std::fabs(matrix[r][column]) > std::fabs(matrix[pivot][column])) pivot = r;
    std::swap(matrix[column], matrix[pivot]);
    std::swap(right[column], right[pivot]);
    for (std::size_t r = column + 1; r < n; ++r) {
      const Real factor = matrix[r][column] / matrix[column][column];
      for (std::size_t c = column; c < n; ++c) matrix[r][c] -= factor * matrix[column][c];
      right[r] -= factor * right[column];
    }
  }
  for (std::size_t r = n; r-- > 0;) {
    for (std::size_t c = r + 1; c < n; ++c) right[r] -= matrix[r][c] * right[c];
    right[r] /= matrix[r][r];
  }
  return right;
}

// P(u) exp(-x) - 1, of P relative to exp(bound).
Real relative_error(const Reals& c, Real bound, Real u) {
  return clenshaw(c, u) * std::exp(bound * (1 - u)) - 1;
}

// Chebyshev coefficients for which the errors at the points are equal and alternate.
Reals level(const Reals& points, Real bound) {
  const std::size_t n = points.size();
  std::vector<Reals> matrix(n, Reals(n));
  for (std::size_t i = 0; i < n; ++i) {
    const Real angle = std::acos(points[i]), weight = std::exp(bound * (1 - points[i]));
    for (std::size_t k = 0; k + 1 < n; ++k)
      matrix[i][k] = weight * std::cos(static_cast<Real>(k) * angle);
    matrix[i][n - 1] = i % 2 == 0 ? 1 : -1;
  }
  Reals c = solve(std::move(matrix), Reals(n, 1));
  c.pop_back();
  return c;
}

// The extrema of the error, one between two changes of its sign, ascending.
Reals extrema(const Reals& c, Real bound, std::size_t count) {
  const std::int64_t grid = kGrid * static_cast<std::int64_t>(count);
  Reals points;
  Real largest = 0;
  for (std::int64_t i = 0; i <= grid; ++i) {
    const Real u =
        -std::cos(std::numbers::pi_v<Real> * static_cast<Real>(i) / static_cast<Real>(grid));
    const Real error = relative_error(c, bound, u);
    const bool turned = points.empty() || (error < 0) != (largest < 0);
    if (turned) {
      points.push_back(u);
      largest = error;
    } else if (std::fabs(error) > std::fabs(largest)) {
      points.back() = u;
      largest = error;
    }
  }
  return points;
}

Real largest_error(const Reals& c, Real bound) {
  const std::int64_t grid = kGrid * static_cast<std::int64_t>(c.size() + 1);
  Real largest = 0;
  for (std::int64_t i = 0; i <= grid; ++i) {
    const Real u =
        std::cos(std::numbers::pi_v<Real> * static_cast<Real>(i) / static_cast<Real>(grid));
    largest = std::max(largest, std::fabs(relative_error(c, bound, u)));
  }
  return largest;
}

// Remez's exchange. What rounding spoils is no better than where it began: the best is kept.
Reals exchange_points(std::int64_t degree, Real bound) {
  Reals points, best = interpolate(degree, bound);
  for (std::int64_t i = 0; i < degree + 2; ++i)
    points.push_back(
        -std::cos(std::numbers::pi_v<Real> * static_cast<Real>(i) / static_cast<Real>(degree + 1)));
  Real error = largest_error(best, bound);
  for (int step = 0; step < kExchanges; ++step) {
    const Reals c = level(points, bound);
    const Real now = largest_error(c, bound);
    if (now < error) {
      best = c;
      error = now;
    }
    const Reals next = extrema(c, bound, points.size());
    if (next.size() != points.size() || next == points) break;
    points = next;
  }
  return best;
}

// exp(-bound) bound^m / m!.
Reals taylor(std::int64_t degree, Real bound) {
  Reals powers{std::exp(-bound)};
  for (std::int64_t m = 1; m <= degree; ++m)
    powers.push_back(powers.back() * bound / static_cast<Real>(m));
  return powers;
}

double evaluated_error(const ExpPolynomial& p) {
  const std::int64_t grid = kGrid * (p.degree() + 2);
  double largest = 0;
  for (std::int64_t i = 0; i <= grid; ++i) {
    const double x =
        p.bound * std::cos(std::numbers::pi * static_cast<double>(i) / static_cast<double>(grid));
    largest = std::max(largest, std::fabs(p.scaled_value(x) * std::exp(p.bound - x) - 1));
  }
  return largest;
}

}  // namespace

double ExpPolynomial::scaled_value(double x) const {
  const double u = x / bound;
  double sum = 0;
  for (std::size_t m = coefficients.size(); m-- > 0;) sum = sum * u + coefficients[m];
  return sum;
}

ExpPolynomial fit_exp(ExpFit fit, std::int64_t degree, double bound) {
  Reals powers;
  if (fit == ExpFit::taylor) powers = taylor(degree, bound);
  if (fit == ExpFit::chebyshev) powers = to_powers(interpolate(degree, bound));
  if (fit == ExpFit::minimax) powers = to_powers(exchange_points(degree, bound));
  ExpPolynomial p{bound, {powers.begin(), powers.end()}, 0};
  p.error = evaluated_error(p);
  return p;
}

std::int64_t degree_for(ExpFit fit, double error, double bound) {
  for (std::int64_t degree = 0; degree <= kMostDegree; ++degree)
    if (fit_exp(fit, degree, bound).error <= error) return degree;
  return kMostDegree + 1;
}

double lemma_degree(double error, double bound) {
  const double log_error = std::log(1 / error), ratio = std::log(log_error / bound);
  return ratio > 0 ? std::max(log_error / ratio, bound) : std::max(log_error, bound);
}

}  // namespace subquad
