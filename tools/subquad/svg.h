// Pieces of the pictures: inline SVG whose colours are the page's CSS classes.
#pragma once

#include <fmt/format.h>

#include <string>

#include "markup.h"

namespace subquad::cli {

inline std::string svg_line(const char* style, double x1, double y1, double x2, double y2) {
  return fmt::format("<line class='{}' x1='{:.1f}' y1='{:.1f}' x2='{:.1f}' y2='{:.1f}'/>\n", style,
                     x1, y1, x2, y2);
}

inline std::string svg_words(const char* style, double x, double y, const char* anchor,
                             const std::string& content) {
  return fmt::format("<text class='{}' x='{:.1f}' y='{:.1f}' text-anchor='{}'>{}</text>\n", style,
                     x, y, anchor, escaped(content));
}

// Beside the vertical axis, from below, with its middle at y.
inline std::string svg_upright(double x, double y, const std::string& content) {
  return fmt::format(
      "<text class='axis' text-anchor='middle' transform='translate({:g} {:.1f}) "
      "rotate(-90)'>{}</text>\n",
      x, y, escaped(content));
}

}  // namespace subquad::cli
