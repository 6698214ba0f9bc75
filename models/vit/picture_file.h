// Picture files by what they hold, whatever they are called.
#pragma once

#include <string>

#include "vit/image.h"

namespace subquad::vit {

// A JPEG (jpeg.h) or a PNG file (png.h), told apart by their first bytes: ImageNet has a PNG named
// .JPEG. Throws Error (invalid_argument) that names the file when it cannot be read or is neither.
Image load_picture(const std::string& path);

}  // namespace subquad::vit
