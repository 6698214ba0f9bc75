// Limits on what chance may do, proved for every sample size: a test that uses one of these with
// probability alpha fails a correct program with probability at most alpha over its random draws.
#pragma once

#include <cstdint>

namespace subquad::testing {

// How often one check may fail by chance. Every statistical test file states the number of its
// checks: fewer than 10,000 in all, so less than 1e-6 over a file.
constexpr double false_alarm = 1e-10;

// Kullback-Leibler divergence of Bernoulli(q) from Bernoulli(p).
double bernoulli_divergence(double q, double p);

// Chernoff: Pr[successes out of n at least as far from p as seen] <= 2 exp(-n D(q || p)).
bool binomial_plausible(std::int64_t successes, std::int64_t n, double p);

// Bernstein: the mean of n independent draws, each with the given variance and within `range` of
// its mean, is farther than this from it with probability at most false_alarm.
double mean_deviation_limit(double variance, double range, std::int64_t n);

}  // namespace subquad::testing
