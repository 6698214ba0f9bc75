// The classes that a file lists for pictures.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace subquad::vit {

// By what the first column names: a picture below the folder, its bare name, or a sub-folder.
using ClassTable = std::map<std::string, std::int64_t>;

// A whole number from 0 to `classes` - 1, or -1.
std::int64_t class_number(const std::string& text, std::int64_t classes);

// A CSV file: lines file,class[,..] under that header; what follows the class is not read. Throws
// Error (invalid_argument) that names file and line.
ClassTable read_class_table(const std::string& path, std::int64_t classes);

// The class of each of `names` ("a.jpg", "CLASS/b.png"). Throws Error naming `path` for one without
// a class, and where a bare name stands for several pictures.
std::vector<std::int64_t> look_up(const ClassTable& table, const std::vector<std::string>& names,
                                  const std::string& path);

}  // namespace subquad::vit
