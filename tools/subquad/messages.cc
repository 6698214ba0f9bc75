#include "messages.h"

#include <cstdio>

#include "plain_text.h"

namespace subquad::cli {
namespace {

void print_line(const std::string& text) {
  const std::string line = "subquad: " + plain_text(text.substr(0, text.find('\n'))) + "\n";
  (void)std::fputs(line.c_str(), stderr);
}

}  // namespace

void print_note(const std::string& text) { print_line("note: " + text); }
void print_warning(const std::string& text) { print_line("warning: " + text); }
void print_error(const std::string& text) { print_line(text); }

}  // namespace subquad::cli
