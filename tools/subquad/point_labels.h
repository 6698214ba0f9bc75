// Where the numbers of a picture's points go.
#pragma once

#include <vector>

namespace subquad::cli {

struct LabelSpot {
  double x = 0, y = 0;  // the middle of the text's base line
};

struct PointSpot {
  double x = 0, y = 0;
};

// Beside each point, where neither a point nor another number is: right or left of it, higher and
// higher up to `ceiling` (a y), then lower. Pixels; numbers up to two digits of about 13 pixels.
std::vector<LabelSpot> place_labels(const std::vector<PointSpot>& points, double ceiling);

}  // namespace subquad::cli
