// Names and paths as they appear in one-line error messages.
#pragma once

#include <string>
#include <string_view>

namespace subquad::io {

// `name` in double quotes: control characters escaped, invalid UTF-8 replaced, at most 100 bytes
// shown.
std::string in_quotes(std::string_view name);

// `path` with every control character replaced by '?', so that it stays on one line.
std::string printable(std::string_view path);

bool is_utf8(std::string_view text);

}  // namespace subquad::io
