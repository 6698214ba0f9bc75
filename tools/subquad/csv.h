// Text as a cell of a CSV file.
#pragma once

#include <string>

namespace subquad::cli {

// In quotes, whatever it holds; quotes inside are doubled (RFC 4180).
inline std::string csv_cell(const std::string& text) {
  std::string cell = "\"";
  for (const char c : text) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
  return cell + "\"";
}

}  // namespace subquad::cli
