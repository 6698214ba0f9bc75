#include "output_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "subquad/error.h"
#include "subquad/io.h"

namespace subquad::cli {

void check_writable(const std::string& path, const std::string& option) {
  if (path.empty() || path == "-") return;
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    throw_invalid(fmt::format("{} {}: is a folder, a file is needed", option, path));
  }
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored)) {
    throw_invalid(fmt::format("{} {}: exists and is not a regular file", option, path));
  }
  fs::path folder = fs::path(path).parent_path();
  if (folder.empty()) folder = ".";
  if (!fs::is_directory(folder, ignored)) {
    throw_invalid(fmt::format("{} {}: folder {} does not exist", option, path, folder.string()));
  }
  if (::access(folder.c_str(), W_OK) != 0) {
    throw_invalid(fmt::format("{} {}: folder {} is not writable", option, path, folder.string()));
  }
}

void write_json(const std::string& path, const nlohmann::ordered_json& json) {
  if (path.empty()) return;
  const std::string text =
      json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (path != "-") return io::write_text(path, text);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw_failed("cannot write JSON to stdout");
  }
}

}  // namespace subquad::cli
