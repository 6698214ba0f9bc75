// Which layers an option means: all, A, A-B, last:L.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace subquad::models {

// Whether each of `depth` layers (counted from 0) is chosen by `text`: all, one layer A, layers A
// to B with both ends, or the last L. Throws Error (invalid_argument) naming `where`.
std::vector<bool> choose_layers(const std::string& text, std::int64_t depth,
                                const std::string& where);

}  // namespace subquad::models
