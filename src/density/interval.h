// Half widths of intervals around sampled means of weights.
//
// source: the normal approximation; the empirical Bernstein-Serfling inequality (Bardenet and
// Maillard, "Concentration inequalities for sampling without replacement", Bernoulli 21(3), 2015,
// Theorem 3).
#pragma once

#include <cstdint>

#include "density/point_tiles.h"

namespace subquad {

enum class Bars : std::uint8_t { normal, bernstein };

// The z with Pr[|N(0, 1)| <= z] = confidence.
double normal_quantile(double confidence);

// A sample without replacement of weights in [0, cap].
struct WeightSample {
  WeightSums sums;
  std::int64_t count = 0, population = 0;
  double cap = 1;

  double mean() const { return count > 0 ? sums.sum / static_cast<double>(count) : 0; }
};

class Interval {
 public:
  // `looks`: how often a sample is judged while it grows; bernstein's interval holds at all of them
  // together.
  Interval(double confidence, Bars bars, std::int64_t looks);

  // Of the population's mean. The normal interval counts on the sample's own variance once the
  // weights that make it up are 16 and more (sum^2 / squares), below that on the largest variance
  // that the mean allows, mean * cap. It is never narrower than what points of the weight `cap` add
  // that are too few to be seen: a sample of m has none of them with the chance (1 - confidence) /
  // 2 where they are log(2 / (1 - confidence)) n / m.
  double half_width(const WeightSample& sample) const;

 private:
  double normal(const WeightSample& sample) const;
  double bernstein(const WeightSample& sample) const;

  Bars bars_;
  double z_, unseen_, log_term_;
};

}  // namespace subquad
