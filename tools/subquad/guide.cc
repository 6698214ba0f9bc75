#include "guide.h"

#include <filesystem>
#include <string_view>

namespace subquad::cli {
namespace {

constexpr std::string_view in_sources = "docs/guide";

}  // namespace

std::string guide_folder() {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path installed =
      (program.parent_path() / SUBQUAD_BIN_TO_DOC / "guide").lexically_normal();
  if (error || !fs::is_directory(installed, error)) return std::string(in_sources);
  return installed.string();
}

std::string with_guide_folder(const std::string& text) {
  const std::string folder = guide_folder();
  std::string result = text;
  for (std::size_t at = result.find(in_sources); at != std::string::npos;
       at = result.find(in_sources, at + folder.size()))
    result.replace(at, in_sources.size(), folder);
  return result;
}

}  // namespace subquad::cli
