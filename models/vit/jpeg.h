// JPEG files as 8-bit RGB.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace subquad::vit {

// pixels[(y * width + x) * 3 + channel], channels R, G, B.
struct Image {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint8_t> pixels;
};

// Decodes with libjpeg. Grey is repeated to three channels; EXIF orientation is not applied (as
// Pillow's open()). Throws Error (invalid_argument) that names the file when it cannot be read, is
// no JPEG, is truncated or corrupt, is CMYK, or has more than 2^27 pixels.
Image load_jpeg(const std::string& path);

}  // namespace subquad::vit
