// A folder of JPEG files and, if given, their classes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace subquad::vit {

struct ImageFolder {
  std::vector<std::string> files;    // paths of the .jpg and .jpeg files, sorted by name
  std::vector<std::int64_t> labels;  // their classes; empty: none given
  std::int64_t left_out = 0;         // other files of the folder, the labels' file not counted
};

// Reads `folder`, not its subfolders. Classes come from `labels` (lines file,class[,name] under a
// header line), or from labels.csv in the folder if `labels` is empty and it exists. Throws Error
// (invalid_argument) that names the folder, or the labels' file and line: no folder, no JPEG file,
// a picture without a class, a class outside [0, classes).
ImageFolder open_folder(const std::string& folder, const std::string& labels, std::int64_t classes);

}  // namespace subquad::vit
