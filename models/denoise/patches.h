// The patches of a picture as points: what non-local means compares.
#pragma once

#include <cstdint>
#include <vector>

#include "vit/image.h"

namespace subquad::denoise {

struct PatchOptions {
  std::int64_t side = 7;  // pixels, odd, 1 to 13
  // Principal components of the patches kept (Tasdizen 2009), at most 3 side^2; 0: the patches as
  // they are; -1: 12, or all where there are fewer.
  std::int64_t components = -1;
};

// Numbers of a point.
std::int64_t patch_dim(const PatchOptions& options);

// n x dim, row-major, a row for each pixel, top left first.
struct PatchPoints {
  std::int64_t count = 0, dim = 0;
  std::vector<float> rows;
};

// Of every pixel the R, G, B of the side x side pixels around it (mirrored at the edges), in grey
// levels 0 to 255, times 1 / (sqrt(3) side): squared distances are mean squares of a value.
// Components are of the covariance of at most 20,000 patches, evenly spaced; distances in them are
// never larger. 4 n dim bytes; n 3 side^2 dim multiply-adds. Throws Error that names side or
// components.
PatchPoints patch_points(const vit::Image& image, const PatchOptions& options);

}  // namespace subquad::denoise
