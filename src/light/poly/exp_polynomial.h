// Polynomials for exp on an interval [-B, B], by their relative error.
//
// source: "Support Basis" (paper 003), Lemma A.3, after Aggarwal and Alman 2022: a degree of
// Theta(max(log(1/eps) / log(log(1/eps) / B), B)) is enough. The degree here is found by
// evaluation, never by that formula. chebyshev: interpolation in Chebyshev points; minimax: the
// smallest relative error of the degree, by Remez's exchange (Cheney, Introduction to Approximation
// Theory, ch. 3); taylor: at 0, the smallest coefficients but for a far larger error.
// Coefficients are those of powers of x / B, relative to exp(B): positive for taylor; interpolation
// has negative ones from B = 4 and degree 3 on; minimax none for degrees up to 10 and B up to 16 (a
// test). A relative error below 1 makes the polynomial positive on the whole interval, which is
// what a sum of weights needs.
// cost: O(degree^2) numbers; minimax some solutions of degree + 2 linear equations.
#pragma once

#include <cstdint>
#include <vector>

namespace subquad {

enum class ExpFit : std::uint8_t { chebyshev, minimax, taylor };

inline constexpr std::int64_t kMostDegree = 32;
inline constexpr double kMostBound = 32;

struct ExpPolynomial {
  double bound = 0;                  // B
  std::vector<double> coefficients;  // of (x / B)^m; P(x) = exp(B) times the sum
  double error = 0;                  // max |P(x) exp(-x) - 1| on [-B, B], evaluated

  std::int64_t degree() const { return std::ssize(coefficients) - 1; }
  double scaled_value(double x) const;  // P(x) / exp(B)
};

// degree 0 to kMostDegree, bound above 0 and at most kMostBound.
ExpPolynomial fit_exp(ExpFit fit, std::int64_t degree, double bound);

// The smallest degree whose relative error on [-bound, bound] is at most `error`; kMostDegree + 1
// where none is.
std::int64_t degree_for(ExpFit fit, double error, double bound);

// g of Lemma A.3 with 1 for the constant.
double lemma_degree(double error, double bound);

}  // namespace subquad
