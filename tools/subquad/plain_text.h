// Text from files, safe on a terminal and on a page.
#pragma once

#include <string>
#include <string_view>

namespace subquad::cli {

// On one line: every control character, DEL and the C1 controls (U+0080 to U+009F) among them,
// shown as \x1b or the like.
std::string plain_text(std::string_view text);

}  // namespace subquad::cli
