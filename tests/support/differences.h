// Central differences: what the yardsticks' own derivatives are checked against.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "support/reference_attention.h"

namespace subquad::testing {

// d function() / dx; x is put back.
template <typename Function>
double central_difference(double& x, double step, const Function& function) {
  const double before = x;
  x = before + step;
  const double above = function();
  x = before - step;
  const double below = function();
  x = before;
  return (above - below) / (2 * step);
}

// The largest difference between a gradient and central differences of loss(inputs) in the elements
// of one of the inputs' tensors.
template <typename Inputs, typename Loss>
double difference_error(Inputs inputs, DenseTensor Inputs::*tensor, const DenseTensor& gradient,
                        double step, const Loss& loss) {
  double largest = 0;
  for (std::size_t n = 0; n < gradient.values.size(); ++n) {
    const double found =
        central_difference((inputs.*tensor).values[n], step, [&] { return loss(inputs); });
    largest = std::max(largest, std::fabs(found - gradient.values[n]));
  }
  return largest;
}

}  // namespace subquad::testing
