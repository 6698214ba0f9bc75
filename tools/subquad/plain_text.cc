#include "plain_text.h"

#include <fmt/format.h>

namespace subquad::cli {
namespace {

// Bytes of the control character at the start of the text, of which there is some; 0: none.
std::size_t control_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x20 || byte(0) == 0x7f) return 1;
  return text.size() > 1 && byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) < 0xa0 ? 2 : 0;
}

}  // namespace

std::string plain_text(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    const std::size_t length = control_length(text);
    if (length == 0)
      plain += text.front();
    else
      plain += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[length - 1]));
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return plain;
}

}  // namespace subquad::cli
