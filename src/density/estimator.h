// What every method of kernel densities is: queries in, densities with intervals out.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace subquad {

// All queries, scaled (density_points.h).
struct DensityQueries {
  const float* rows;
  std::int64_t count, dim;
};

// Half widths are to be at most rel_error * max(value, mu) at the confidence.
struct DensityTarget {
  double rel_error, mu, confidence;

  bool met(double value, double half_width) const {
    return half_width <= rel_error * (value > mu ? value : mu);
  }
};

struct DensityEstimate {
  double value = 0, half_width = 0;
  std::int64_t samples = 0;  // kernel values
  double work = 0;           // in kernel values of a full tile of queries
};

class DensityEstimator {
 public:
  DensityEstimator() = default;
  DensityEstimator(const DensityEstimator&) = delete;
  DensityEstimator& operator=(const DensityEstimator&) = delete;
  virtual ~DensityEstimator() = default;

  // The same bits for any number of threads. Several calls may run at once.
  virtual std::vector<DensityEstimate> estimate(const DensityQueries& queries,
                                                const DensityTarget& target, int threads) const = 0;
  virtual std::string name() const = 0;  // for the report
};

}  // namespace subquad
