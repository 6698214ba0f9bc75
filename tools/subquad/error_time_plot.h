// The error-against-time picture of one layer, as inline SVG without scripts.
#pragma once

#include <string>
#include <vector>

namespace subquad::cli {

struct PlotPoint {
  std::string label;  // the method's spec
  double seconds = 0;
  double error = 0;  // relative Frobenius error
};

// Both axes logarithmic: time below, speed-up over exact above, error at the left. A vertical line
// marks exact attention's time. Points carry a colour (CSS classes s0 to s7 by position in
// `points`) and a label beside the plot, in the order of their errors, joined to the point by a
// thin line. Points without a finite positive time are left out; errors below 1e-8 are drawn at
// 1e-8.
std::string error_time_svg(const std::vector<PlotPoint>& points, double exact_seconds);

}  // namespace subquad::cli
