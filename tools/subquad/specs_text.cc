#include "specs_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <regex>
#include <sstream>
#include <vector>

namespace subquad::cli {
namespace {

constexpr std::size_t kWidth = 100;

// Without code marks and links to other pages.
std::string plain(const std::string& summary) {
  static const std::regex links(R"( \(\[[^\]]*\]\([^)]*\)\)|`| \(below\))");
  return std::regex_replace(summary, links, "");
}

// Words in lines of at most kWidth characters, all but the first after `indent` spaces.
std::string wrapped(const std::string& text, std::size_t indent) {
  std::istringstream words(text);
  std::string result, line, word;
  while (words >> word) {
    if (!line.empty() && indent + line.size() + 1 + word.size() > kWidth) {
      result += line + "\n" + std::string(indent, ' ');
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return result + line + "\n";
}

std::string call_of(const PartInfo& part) {
  return part.parameters.empty() ? part.name : part.name + "(..)";
}

std::string arguments_cell(const PartInfo& part) {
  std::vector<std::string> cells;
  for (const PartParameter& p : part.parameters)
    cells.push_back(fmt::format("`{}` ({}; {})", p.name, p.fallback, p.range));
  return fmt::format("{}", fmt::join(cells, ", "));
}

}  // namespace

std::string part_list() {
  std::string text;
  for (const PartInfo& part : method_parts())
    text += fmt::format("  {:<15} {:<16} {}", call_of(part), to_string(part.kind),
                        wrapped(plain(part.summary), 35));
  return text;
}

std::string part_page(const PartInfo& part) {
  std::string text =
      wrapped(fmt::format("{} ({}): {}", part.name, to_string(part.kind), plain(part.summary)), 2);
  text += fmt::format("source: {}\n", part.source);
  for (const PartParameter& p : part.parameters)
    text += fmt::format("  {:<14} default {:<10} {}\n", p.name, p.fallback, p.range);
  if (part.parameters.empty()) text += "  (no parameters)\n";
  return text;
}

std::string part_table() {
  std::string text =
      "| part | kind | arguments (default; range) | what | source |\n|---|---|---|---|---|\n";
  for (const PartInfo& part : method_parts())
    text += fmt::format("| `{}` | {} | {} | {} | {} |\n", call_of(part), to_string(part.kind),
                        arguments_cell(part), part.summary, part.source);
  return text;
}

}  // namespace subquad::cli
