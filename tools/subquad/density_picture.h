// Densities of one or two dimensions as a PNG picture.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "subquad/tensor.h"

namespace subquad::cli {

// The part of the plane, or of the line, that the picture shows.
struct PictureRange {
  std::vector<double> low, high;  // one or two numbers each
};
// That of the points, and three bandwidths more on every side. `points`: f32, one or two columns.
PictureRange picture_range(std::span<const float> points, std::span<const double> bandwidth);

// density(points): at as many points (1, 1, m, D). Two columns: 512 x 512, the first one to the
// right and the second one upwards, the colour by the square root of the density, from black at 0
// to light yellow at the largest. One column: the curve, 1,024 x 384, from 0 to the largest value.
// Returns the file's bytes.
std::string density_picture(const PictureRange& range,
                            const std::function<std::vector<double>(const TensorView&)>& density);

}  // namespace subquad::cli
