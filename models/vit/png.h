// PNG files as 8-bit RGB.
#pragma once

#include <string>

#include "vit/image.h"

namespace subquad::vit {

// Decodes with libpng, every colour type and depth, interlaced or not. Grey is repeated to three
// channels, 16 bits are cut to the upper 8, transparency is dropped (as Pillow's convert("RGB"):
// nothing is composited), gamma and colour profiles are not applied. Throws Error
// (invalid_argument) that names the file when it cannot be read, is no PNG, is truncated or
// corrupt, or has more than 2^27 pixels or a side above 1,000,000.
Image load_png(const std::string& path);

}  // namespace subquad::vit
