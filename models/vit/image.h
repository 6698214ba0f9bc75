// A decoded picture.
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

// An image of width x height, black. Throws Error (invalid_argument) naming `path` for more than
// 2^27 pixels: a small file may claim any size.
Image make_image(const std::string& path, std::int64_t width, std::int64_t height);

}  // namespace subquad::vit
