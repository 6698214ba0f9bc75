// A logarithmic axis: data to pixels, and the numbers worth a tick.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace subquad::cli {

class LogAxis {
 public:
  // [low, high] in data units, both positive, low < high, to pixels [first, last].
  LogAxis(double low, double high, double first, double last)
      : low_(std::log10(low)), high_(std::log10(high)), first_(first), last_(last) {}

  double pixel(double value) const {
    const double t = (std::log10(value) - low_) / (high_ - low_);
    return first_ + t * (last_ - first_);
  }
  bool contains(double value) const {
    const double t = std::log10(value);
    return t >= low_ - 1e-9 && t <= high_ + 1e-9;
  }
  // Four to eight numbers or so: powers of ten over more than two decades, else round steps
  // between.
  std::vector<double> ticks() const {
    std::vector<double> values;
    for (double decade = std::floor(low_); decade <= high_; ++decade) {
      for (const double step : steps()) {
        const double value = step * std::pow(10.0, decade);
        if (contains(value)) values.push_back(value);
      }
    }
    return values;
  }

 private:
  std::vector<double> steps() const {
    if (high_ - low_ > 2) return {1};
    if (high_ - low_ > 1) return {1, 2, 5};
    return {1, 1.5, 2, 3, 4, 5, 7};
  }

  double low_, high_, first_, last_;
};

}  // namespace subquad::cli
