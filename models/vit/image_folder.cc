#include "vit/image_folder.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "subquad/error.h"
#include "vit/class_table.h"

namespace subquad::vit {
namespace {

namespace fs = std::filesystem;

bool is_picture(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

fs::file_type type_of(const fs::directory_entry& entry) {
  std::error_code error;
  return entry.status(error).type();
}

// Adds the pictures of `folder`, named behind `prefix`; returns its visible sub-folders.
std::vector<fs::path> scan(const fs::path& folder, const std::string& prefix, ImageFolder& result) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::file_type type = type_of(*entry);
    // A link to nothing is a picture that cannot be read; a pipe would wait for ever.
    const bool is_file = type == fs::file_type::regular || type == fs::file_type::not_found;
    if (type == fs::file_type::directory) {
      if (!is_hidden(entry->path())) folders.push_back(entry->path());
    } else if (is_file && !is_hidden(entry->path()) && is_picture(entry->path())) {
      result.names.push_back(prefix + entry->path().filename().string());
    } else {
      ++result.left_out;
    }
  }
  if (error) throw_invalid(fmt::format("{}: {}", folder.string(), error.message()));
  return folders;
}

std::string folder_of(const std::string& name) {
  const std::size_t slash = name.find('/');
  return slash == std::string::npos ? "" : name.substr(0, slash);
}

// By their sub-folders.
void label_by_folder(const std::set<std::string>& folders, std::int64_t classes,
                     ImageFolder& result) {
  const auto is_number = [&](const std::string& name) { return class_number(name, classes) >= 0; };
  const bool numbers = std::all_of(folders.begin(), folders.end(), is_number);
  if (!numbers && std::ssize(folders) != classes) {
    result.labels_from = fmt::format(
        "none: {} class folders for {} classes; list the classes in labels.csv or --labels",
        folders.size(), classes);
    return;
  }
  for (const std::string& name : result.names) {
    const auto place = std::distance(folders.begin(), folders.find(folder_of(name)));
    result.labels.push_back(numbers ? class_number(folder_of(name), classes) : place);
  }
  result.labels_from = numbers ? "class folders, named by number"
                               : fmt::format("{} class folders, in the order of names", classes);
}

void add_labels(const std::string& path, std::int64_t classes, ImageFolder& result) {
  if (!path.empty()) {
    result.labels = look_up(read_class_table(path, classes), result.names, path);
    result.labels_from = path;
    return;
  }
  std::set<std::string> folders;
  for (const std::string& name : result.names) folders.insert(folder_of(name));
  if (folders.contains("")) {
    result.labels_from = "none: no labels.csv, no --labels";
  } else {
    label_by_folder(folders, classes, result);
  }
}

}  // namespace

void ImageFolder::limit(std::size_t count) {
  if (count >= names.size()) return;
  names.resize(count);
  files.resize(count);
  if (!labels.empty()) labels.resize(count);
}

ImageFolder open_folder(const std::string& folder, const std::string& labels,
                        std::int64_t classes) {
  ImageFolder result;
  for (const fs::path& below : scan(folder, "", result))
    scan(below, below.filename().string() + "/", result);
  if (result.names.empty()) throw_invalid(fmt::format("{}: no .jpg, .jpeg or .png file", folder));
  std::sort(result.names.begin(), result.names.end());
  for (const std::string& name : result.names)
    result.files.push_back((fs::path(folder) / name).string());
  std::error_code error;
  const std::string beside = (fs::path(folder) / "labels.csv").string();
  const bool has_table = fs::is_regular_file(beside, error);
  result.left_out -= has_table;
  add_labels(labels.empty() && has_table ? beside : labels, classes, result);
  return result;
}

}  // namespace subquad::vit
