#include "vit/class_table.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

#include "subquad/error.h"

namespace subquad::vit {
namespace {

// A line's cells: a cell in quotes may hold commas, and quotes as two of them (RFC 4180).
std::vector<std::string> cells_of(const std::string& line, const std::string& where) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool begins = i == 0 || line[i - 1] == ',';
    if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"')
      cells.back() += line[i++];
    else if (line[i] == '"' && (quoted || begins))
      quoted = !quoted;
    else if (line[i] == ',' && !quoted)
      cells.emplace_back();
    else if (line[i] != '\r')
      cells.back() += line[i];
  }
  if (quoted) throw_invalid(fmt::format("{}: a quote does not end", where));
  return cells;
}

// Some programs write a byte order mark before UTF-8 text.
std::string without_mark(const std::string& line) {
  return line.starts_with("\xef\xbb\xbf") ? line.substr(3) : line;
}

bool parse(const std::string& text, std::int64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::int64_t class_of(const std::string& cell, const std::string& where, std::int64_t classes) {
  std::int64_t value = -1;
  if (!parse(cell, value))
    throw_invalid(fmt::format("{}: class '{}' is not a whole number", where, cell));
  if (value < 0 || value >= classes)
    throw_invalid(fmt::format("{}: class {} is outside 0 to {}", where, value, classes - 1));
  return value;
}

std::string bare_name(const std::string& name) { return name.substr(name.find('/') + 1); }
std::string folder_name(const std::string& name) {
  return name.substr(0, std::min(name.find('/'), name.size()));
}

}  // namespace

std::int64_t class_number(const std::string& text, std::int64_t classes) {
  std::int64_t value = -1;
  return parse(text, value) && value >= 0 && value < classes ? value : -1;
}

ClassTable read_class_table(const std::string& path, std::int64_t classes) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    throw_invalid(fmt::format("{}: is a folder, a CSV file is needed", path));
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw_invalid(fmt::format("{}: cannot be read", path));
  ClassTable found;
  std::string line;
  std::int64_t number = 1;
  for (; std::getline(stream, line); ++number) {
    const std::string where = fmt::format("{} line {}", path, number);
    const auto cells = cells_of(number == 1 ? without_mark(line) : line, where);
    if (number == 1 && (cells.size() < 2 || cells[0] != "file" || cells[1] != "class"))
      throw_invalid(fmt::format("{}: must be a header 'file,class'", where));
    if (number == 1 || (cells.size() == 1 && cells[0].empty())) continue;
    if (cells.size() < 2) throw_invalid(fmt::format("{}: has no class", where));
    if (!found.emplace(cells[0], class_of(cells[1], where, classes)).second)
      throw_invalid(fmt::format("{}: '{}' comes twice", where, cells[0]));
  }
  if (stream.bad()) throw_failed(fmt::format("{}: cannot be read", path));
  if (number == 1)
    throw_invalid(fmt::format("{}: is empty, a header 'file,class' is missing", path));
  return found;
}

std::vector<std::int64_t> look_up(const ClassTable& table, const std::vector<std::string>& names,
                                  const std::string& path) {
  std::map<std::string, int> count;
  for (const std::string& name : names) ++count[bare_name(name)];
  std::vector<std::int64_t> labels;
  for (const std::string& name : names) {
    const std::string bare = bare_name(name);
    auto found = table.find(name);
    if (found == table.end()) {
      found = table.find(bare);
      if (found != table.end() && count[bare] > 1)
        throw_invalid(fmt::format("{}: '{}' is the name of {} pictures; write '{}'", path, bare,
                                  count[bare], name));
    }
    if (found == table.end()) found = table.find(folder_name(name));
    if (found == table.end()) throw_invalid(fmt::format("{}: no class for {}", path, name));
    labels.push_back(found->second);
  }
  return labels;
}

}  // namespace subquad::vit
