#include "io/text.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace subquad::io {

using nlohmann::json;

std::string in_quotes(std::string_view name) {
  constexpr std::size_t shown = 100;
  const json text = std::string(name.substr(0, shown));
  const std::string head = text.dump(-1, ' ', false, json::error_handler_t::replace);
  return name.size() > shown ? head + "..." : head;
}

std::string printable(std::string_view path) {
  std::string line(path);
  const auto is_control = [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; };
  std::replace_if(line.begin(), line.end(), is_control, '?');
  return line;
}

bool is_utf8(std::string_view text) {
  try {
    (void)json(std::string(text)).dump();
    return true;
  } catch (const json::type_error&) {
    return false;
  }
}

}  // namespace subquad::io
