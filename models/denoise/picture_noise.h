// Noise of a known size, and how far two pictures are apart.
#pragma once

#include <cstdint>

#include "vit/image.h"

namespace subquad::denoise {

// Each value plus a normal number of standard deviation `noise` grey levels, rounded, and clipped
// to 0 to 255, as a camera's file has it. The same seed gives the same picture.
vit::Image add_noise(const vit::Image& image, double noise, std::uint64_t seed);

// Peak signal-to-noise ratio, 10 log10(255^2 / mean square), in decibels; infinite where they are
// equal. Of equal size.
double psnr(const vit::Image& a, const vit::Image& b);

// Pictures of equal height from left to right, `gap` white columns between them.
vit::Image side_by_side(const vit::Image& a, const vit::Image& b, const vit::Image& c);

}  // namespace subquad::denoise
