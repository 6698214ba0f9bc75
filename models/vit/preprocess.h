// From a picture to the model's input.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "vit/image.h"
#include "vit/resample.h"

namespace subquad::vit {

// Shorter side to S * resize_to / crop_to (aspect ratio kept), central S x S, then (x / 255 - mean)
// / deviation for each channel. The defaults are DeiT's.
struct Preprocessing {
  Filter filter = Filter::bicubic;
  double resize_to = 256;
  double crop_to = 224;
  std::array<float, 3> mean{0.485f, 0.456f, 0.406f};
  std::array<float, 3> deviation{0.229f, 0.224f, 0.225f};
};

// The central size x size of the resized picture, 8 bits a channel: rows are resampled first,
// each pass is rounded to whole grey levels and clipped, as Pillow does it.
Image resize_and_crop(const Image& image, std::int64_t size, const Preprocessing& preprocessing);

// out[(channel * height + y) * width + x] = (x / 255 - mean) / deviation.
void normalise(const Image& image, const Preprocessing& preprocessing, float* out);

}  // namespace subquad::vit
