// 8-bit RGB as the bytes of a PNG file.
#pragma once

#include <string>

#include "vit/image.h"

namespace subquad::vit {

// By libpng, lossless. Throws Error (failed) where libpng fails, (invalid_argument) for a picture
// without pixels.
std::string png_bytes(const Image& image);

}  // namespace subquad::vit
