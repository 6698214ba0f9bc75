// Lines on stderr. They never fail: what is wrong with stderr is nobody's business.
#pragma once

#include <string>

namespace subquad::cli {

void print_note(const std::string& text);     // "subquad: note: .."
void print_warning(const std::string& text);  // "subquad: warning: .."
void print_error(const std::string& text);    // "subquad: ..", the first line of the text

}  // namespace subquad::cli
