#include "messages.h"

#include <algorithm>
#include <cstdio>

#include "plain_text.h"

namespace subquad::cli {
namespace {

// One line, whatever the user's words hold.
void print_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', '?');
  const std::string line = "subquad: " + plain_text(text) + "\n";
  (void)std::fputs(line.c_str(), stderr);
}

}  // namespace

void print_note(const std::string& text) { print_line("note: " + text); }
void print_warning(const std::string& text) { print_line("warning: " + text); }
void print_error(const std::string& text) { print_line(text); }

}  // namespace subquad::cli
