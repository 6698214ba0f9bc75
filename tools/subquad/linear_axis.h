// A linear axis: data to pixels, and the numbers worth a tick.
#pragma once

#include <cmath>
#include <vector>

namespace subquad::cli {

class LinearAxis {
 public:
  // [low, high] in data units, low < high, to pixels [first, last].
  LinearAxis(double low, double high, double first, double last)
      : low_(low), high_(high), first_(first), last_(last) {}

  double pixel(double value) const {
    return first_ + (value - low_) / (high_ - low_) * (last_ - first_);
  }
  // Four to nine multiples of 1, 2 or 5 times a power of ten.
  std::vector<double> ticks() const {
    const double step = step_of((high_ - low_) / 4);
    std::vector<double> values;
    for (double k = std::ceil(low_ / step - 1e-9); k * step <= high_ + 1e-9 * step; ++k)
      values.push_back(k * step + 0.0);  // no -0
    return values;
  }

 private:
  // The largest of 1, 2, 5, 10, .. that is at most `most`.
  static double step_of(double most) {
    const double decade = std::pow(10.0, std::floor(std::log10(most)));
    for (const double step : {5.0, 2.0})
      if (step * decade <= most * (1 + 1e-9)) return step * decade;
    return decade;
  }

  double low_, high_, first_, last_;
};

}  // namespace subquad::cli
