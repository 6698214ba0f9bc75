// The error-against-time picture of one layer, as inline SVG without scripts.
#pragma once

#include <string>
#include <vector>

namespace subquad::cli {

struct PlotPoint {
  std::string name;          // the method's spec, shown where the pointer rests
  double seconds = 0;        // median
  double low = 0, high = 0;  // spread of the rounds; both equal to `seconds` without one
  double error = 0;          // relative Frobenius error
};

struct PlotTitles {
  std::string error = "relative error (Frobenius)";
  std::string time = "time for all heads, milliseconds (median)";
  std::string all = "Relative error against time";  // of the picture, for those who do not see it
};

// Both axes logarithmic: time below, speed-up over exact above, error at the left. A vertical line
// marks exact attention's time, a bar through a point its spread. Points carry a colour (CSS
// classes s0 to s7 by position in `points`) and their number, from 1. Points without a finite
// positive time or a finite error are left out; errors below 1e-7 are drawn on the lower edge.
std::string error_time_svg(const std::vector<PlotPoint>& points, double exact_seconds,
                           const PlotTitles& titles = {});

// Whether error_time_svg() draws a point on the lower edge.
bool on_lower_edge(const PlotPoint& point);

}  // namespace subquad::cli
