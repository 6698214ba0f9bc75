// Which blocks an option means: all, A, A-B, last:L.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace subquad::vit {

// Whether each of `depth` blocks (counted from 0) is chosen by `text`: all, one block A, blocks A
// to B with both ends, or the last L. Throws Error (invalid_argument) naming `where`.
std::vector<bool> choose_blocks(const std::string& text, std::int64_t depth,
                                const std::string& where);

}  // namespace subquad::vit
