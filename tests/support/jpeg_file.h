// Writing small JPEG files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace subquad::testing {

// components 1 (grey), 3 (RGB) or 4 (CMYK, as they stand; stored as YCCK if `ycck`); pixels
// row-major, `components` bytes each.
void write_jpeg(const std::string& path, int width, int height, int components,
                std::vector<std::uint8_t> pixels, int quality = 100, bool ycck = false);

// A smooth pattern: survives compression within a few grey levels.
std::vector<std::uint8_t> smooth_pixels(int width, int height, int components);

}  // namespace subquad::testing
