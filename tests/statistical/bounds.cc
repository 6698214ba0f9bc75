#include "statistical/bounds.h"

#include <cmath>
#include <cstdint>

namespace subquad::testing {

double bernoulli_divergence(double q, double p) {
  const auto term = [](double a, double b) { return a <= 0 ? 0.0 : a * std::log(a / b); };
  return term(q, p) + term(1 - q, 1 - p);
}

bool binomial_plausible(std::int64_t successes, std::int64_t n, double p) {
  const double q = static_cast<double>(successes) / static_cast<double>(n);
  const double limit = std::log(2 / false_alarm);
  return static_cast<double>(n) * bernoulli_divergence(q, p) <= limit;
}

double mean_deviation_limit(double variance, double range, std::int64_t n) {
  const double log_term = std::log(2 / false_alarm), draws = static_cast<double>(n);
  return std::sqrt(2 * variance * log_term / draws) + 2 * range * log_term / (3 * draws);
}

}  // namespace subquad::testing
