// Text that is safe inside HTML and SVG: no markup, no control characters.
#pragma once

#include <string>

#include "plain_text.h"

namespace subquad::cli {

inline std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : plain_text(text)) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

}  // namespace subquad::cli
