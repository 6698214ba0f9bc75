// JPEG files as 8-bit RGB.
#pragma once

#include <string>

#include "vit/image.h"

namespace subquad::vit {

// Decodes with libjpeg. Grey is repeated to three channels; CMYK and YCCK become RGB by Pillow's
// arithmetic, with Adobe's convention that 255 is no ink (what ImageNet's files and every common
// encoder hold); ICC profiles and EXIF orientation are not applied (as Pillow's open()). Throws
// Error (invalid_argument) that names the file when it cannot be read, is no JPEG, is truncated or
// corrupt, or has more than 2^27 pixels.
Image load_jpeg(const std::string& path);

}  // namespace subquad::vit
