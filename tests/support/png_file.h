// Writing small PNG files of every kind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <png.h>

namespace subquad::testing {

struct PngKind {
  int colour = PNG_COLOR_TYPE_RGB;
  int depth = 8;  // bits a sample
  bool interlaced = false;
  bool transparent_entry = false;  // a tRNS chunk: palette entry 0, or the first grey or RGB value
};

// Entry i of the palette that write_png() gives palette files (16 at most): R, G, B.
inline std::uint8_t palette_level(std::size_t i, std::size_t channel) {
  return static_cast<std::uint8_t>(7 + 13 * i + 40 * channel);
}

// `rows`: `height` rows of packed samples, big-endian where they have 16 bits.
void write_png(const std::string& path, int width, int height, const PngKind& kind,
               std::vector<std::uint8_t> rows);

}  // namespace subquad::testing
