// How far a series of a degree goes.
#pragma once

#include <cstdint>
#include <vector>

namespace subquad {

// exp(z) by its first p terms is off by at most |z|^p / p! exp(max(z, 0)), relative to exp(z) by
// |z|^p / p! exp(|z|) (Lagrange's remainder). z = u . b, |z| <= |u| |b|.
class SeriesError {
 public:
  // Series of `dim` variables with this relative error for each key, or more where it is allowed.
  SeriesError(std::int64_t dim, double error);

  // The largest error of the table that is no more than what is allowed, which is at least error().
  struct Level {
    double error;
    std::vector<double> reach;  // of degree p at p - 1; rising

    // Lowest degree that will do where |z| <= most; 0: none.
    std::int64_t degree_for(double most) const;
  };
  const Level& level_for(double allowed) const;
  double error() const { return levels_.front().error; }

 private:
  std::vector<Level> levels_;  // of rising errors
};

}  // namespace subquad
