#include "vit/image_folder.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>

#include <fmt/format.h>

#include "subquad/error.h"

namespace subquad::vit {
namespace {

namespace fs = std::filesystem;

bool is_jpeg(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return extension == ".jpg" || extension == ".jpeg";
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells(1);
  for (const char c : line) {
    if (c == '\r') continue;
    if (c == ',') {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  return cells;
}

std::int64_t class_of(const std::string& cell, const std::string& where, std::int64_t classes) {
  std::int64_t value = -1;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size())
    throw_invalid(fmt::format("{}: class '{}' is not a whole number", where, cell));
  if (value < 0 || value >= classes)
    throw_invalid(fmt::format("{}: class {} is outside 0 to {}", where, value, classes - 1));
  return value;
}

using Classes = std::map<std::string, std::int64_t>;  // by file name

Classes read_classes(const std::string& path, std::int64_t classes) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw_invalid(fmt::format("{}: cannot be read", path));
  Classes found;
  std::string line;
  for (std::int64_t number = 1; std::getline(stream, line); ++number) {
    const std::vector<std::string> cells = cells_of(line);
    const std::string where = fmt::format("{} line {}", path, number);
    if (number == 1 && (cells.size() < 2 || cells[0] != "file" || cells[1] != "class"))
      throw_invalid(fmt::format("{}: must be a header 'file,class'", where));
    if (number == 1 || (cells.size() == 1 && cells[0].empty())) continue;
    if (cells.size() < 2) throw_invalid(fmt::format("{}: has no class", where));
    if (!found.emplace(cells[0], class_of(cells[1], where, classes)).second)
      throw_invalid(fmt::format("{}: '{}' comes twice", where, cells[0]));
  }
  return found;
}

std::vector<std::int64_t> labels_of(const std::vector<std::string>& files, const Classes& classes,
                                    const std::string& path) {
  std::vector<std::int64_t> labels;
  for (const std::string& file : files) {
    const auto found = classes.find(fs::path(file).filename().string());
    if (found == classes.end()) throw_invalid(fmt::format("{}: no class for {}", path, file));
    labels.push_back(found->second);
  }
  return labels;
}

}  // namespace

ImageFolder open_folder(const std::string& folder, const std::string& labels,
                        std::int64_t classes) {
  std::error_code error;
  const std::string beside = (fs::path(folder) / "labels.csv").string();
  ImageFolder result;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->is_directory(error)) continue;
    if (is_jpeg(entry->path())) {
      result.files.push_back(entry->path().string());
    } else {
      result.left_out += entry->path() != fs::path(beside);
    }
  }
  if (error) throw_invalid(fmt::format("{}: {}", folder, error.message()));
  if (result.files.empty()) throw_invalid(fmt::format("{}: no .jpg or .jpeg file", folder));
  std::sort(result.files.begin(), result.files.end());
  const std::string path = labels.empty() && fs::exists(beside, error) ? beside : labels;
  if (!path.empty()) result.labels = labels_of(result.files, read_classes(path, classes), path);
  return result;
}

}  // namespace subquad::vit
