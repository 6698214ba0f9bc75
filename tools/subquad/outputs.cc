#include "outputs.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "ending.h"
#include "standard_output.h"
#include "subquad/error.h"

namespace subquad::cli {
namespace {

namespace fs = std::filesystem;

bool is_printed(const FileArgument& output) {
  return output.path == "-" && output.option == "--json";
}

[[noreturn]] void refuse(const FileArgument& file, const std::string& why) {
  throw_invalid(fmt::format("{} {}: {}", file.option, file.path, why));
}

void check_writable(const FileArgument& output) {
  const std::string& path = output.path;
  std::error_code ignored;
  if (path == "-") refuse(output, "only --json can go to standard output");
  if (fs::is_directory(path, ignored)) refuse(output, "is a folder, a file is needed");
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored)) {
    refuse(output, "exists and is not a regular file");
  }
  fs::path folder = fs::path(path).parent_path();
  if (folder.empty()) folder = ".";
  if (!fs::is_directory(folder, ignored)) {
    refuse(output, fmt::format("folder {} does not exist", folder.string()));
  }
  if (::access(folder.c_str(), W_OK) != 0) {
    refuse(output, fmt::format("folder {} is not writable", folder.string()));
  }
  struct stat status {};
  const bool is_loop = ::stat(path.c_str(), &status) != 0 && errno == ELOOP;
  if (is_loop || (::lstat(path.c_str(), &status) != 0 && errno != ENOENT)) {
    refuse(output, std::generic_category().message(errno));
  }
}

// Where a path leads, whether or not a file is there: links followed to their end.
fs::path end_of(fs::path path) {
  constexpr int longest_chain = 40;
  std::error_code error;
  path = fs::absolute(path, error);
  for (int i = 0; i < longest_chain; ++i) {
    path = fs::weakly_canonical(path, error);
    if (!fs::is_symlink(fs::symlink_status(path, error))) break;
    path = path.parent_path() / fs::read_symlink(path, error);
  }
  return path;
}

bool is_same_file(const std::string& a, const std::string& b) {
  struct stat first {
  }, second{};
  const bool a_exists = ::stat(a.c_str(), &first) == 0, b_exists = ::stat(b.c_str(), &second) == 0;
  if (a_exists != b_exists) return false;
  if (a_exists) return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
  return end_of(a) == end_of(b);
}

// `one` is an output; what happens to `other` if both are the same file.
void require_different(const FileArgument& one, const FileArgument& other, const char* loss) {
  if (other.path.empty() || is_printed(other) || !is_same_file(one.path, other.path)) return;
  refuse(one, fmt::format("is the same file as {} {}, {}", other.option, other.path, loss));
}

void require_not_stdout(const FileArgument& output) {
  struct stat printed {
  }, file{};
  const bool both =
      ::fstat(STDOUT_FILENO, &printed) == 0 && ::stat(output.path.c_str(), &file) == 0;
  if (both && printed.st_dev == file.st_dev && printed.st_ino == file.st_ino) {
    refuse(output, "is the file that standard output goes to");
  }
}

std::vector<FileArgument> files_of(const std::vector<FileArgument>& outputs) {
  std::vector<FileArgument> files;
  for (const FileArgument& output : outputs)
    if (!output.path.empty() && !is_printed(output)) files.push_back(output);
  return files;
}

}  // namespace

void check_outputs(const std::vector<FileArgument>& outputs,
                   const std::vector<FileArgument>& inputs) {
  const std::vector<FileArgument> files = files_of(outputs);
  for (std::size_t i = 0; i < files.size(); ++i) {
    check_writable(files[i]);
    require_not_stdout(files[i]);
    for (const FileArgument& input : inputs)
      require_different(files[i], input, "which would be lost");
    for (std::size_t j = 0; j < i; ++j)
      require_different(files[i], files[j], "which would replace it");
  }
}

std::string extension_of(const FileArgument& output) {
  const fs::path name = fs::path(output.path).filename();
  if (name.string().starts_with('.') && name.extension().empty())
    refuse(output, "has no name before the '" + name.string() + "'");
  return name.extension();
}

void Outputs::add_tensors(const std::string& path, std::span<const io::Tensor> tensors,
                          const std::map<std::string, std::string>& metadata) {
  if (path.empty()) return;
  files_.push_back(io::PendingFile::with_tensors(path, tensors, metadata));
}

void Outputs::add_text(const std::string& path, const std::string& text) {
  if (!path.empty()) files_.push_back(io::PendingFile::with_text(path, text));
}

void Outputs::add_json(const std::string& path, const nlohmann::ordered_json& json) {
  if (path.empty()) return;
  const std::string text =
      json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (path != "-") return add_text(path, text);
  (void)std::fwrite(text.data(), 1, text.size(), stdout);
  flush_stdout();
}

void Outputs::commit() {
  finish_stdout();
  finish_before_signals([this] {
    for (io::PendingFile& file : files_) file.commit();
  });
}

}  // namespace subquad::cli
