// Where results go: checked before the work, written after it, all of them or none.
#pragma once

#include <nlohmann/json.hpp>

#include <map>
#include <span>
#include <string>
#include <vector>

#include "subquad/io.h"

namespace subquad::cli {

// A file on the command line.
struct FileArgument {
  std::string option;  // as the user wrote it
  std::string path;    // empty: not given
};

// Throws Error (invalid_argument) when an output cannot become a file: its folder is missing or not
// writable, or something that is not a regular file is in the way; and when it is the file of an
// input or of another output (stdout among them), through symbolic and hard links, too. Nothing is
// created. "-" passes for --json.
void check_outputs(const std::vector<FileArgument>& outputs,
                   const std::vector<FileArgument>& inputs);

// ".npz" of "a.npz". Throws Error (invalid_argument) for a file called just so.
std::string extension_of(const FileArgument& output);

// The results of a command. Destroyed without commit(), none of them appears.
class Outputs {
 public:
  // Each writes its file, which has no place yet; nothing for an empty path.
  void add_tensors(const std::string& path, std::span<const io::Tensor> tensors,
                   const std::map<std::string, std::string>& metadata = {});
  void add_text(const std::string& path, const std::string& text);
  // "-": prints it.
  void add_json(const std::string& path, const nlohmann::ordered_json& json);

  // After everything is printed: Error (failed) when stdout was lost; else all files appear.
  void commit();

 private:
  std::vector<io::PendingFile> files_;
};

}  // namespace subquad::cli
