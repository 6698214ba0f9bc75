// A folder of pictures and, if known, their classes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace subquad::vit {

struct ImageFolder {
  std::vector<std::string> names;    // below the folder: a.jpg, CLASS/b.png; sorted
  std::vector<std::string> files;    // their paths
  std::vector<std::int64_t> labels;  // their classes; empty: not known
  std::string labels_from;           // what the labels are, or why there are none, in words
  std::int64_t left_out = 0;         // hidden and other files; the labels' file is not counted

  // Keeps the first `count` pictures.
  void limit(std::size_t count);
};

// Finds the .jpg, .jpeg and .png files (in any case) of `folder` and of its sub-folders, not below
// them; what is hidden (._a.jpg, .git) is left out. Classes are from 0 to `classes` - 1:
//   1. from `labels` (lines file,class[,name] under a header line), or from labels.csv in the
//      folder if `labels` is empty and it exists. `file` is a picture's name below the folder, its
//      bare name, or the name of its sub-folder; the first of these that the file holds counts.
//   2. else, where every picture is in a sub-folder, from these: their names if all are numbers of
//      classes, or their places in the order of names if there are as many as classes.
//   3. else there are none.
// Throws Error (invalid_argument) that names the folder, or the labels' file and line: no folder,
// no picture, a picture without a class, a class outside the range.
ImageFolder open_folder(const std::string& folder, const std::string& labels, std::int64_t classes);

}  // namespace subquad::vit
