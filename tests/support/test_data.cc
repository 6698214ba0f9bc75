#include "support/test_data.h"

#include <cstdlib>
#include <filesystem>

namespace subquad::testing {
namespace {

namespace fs = std::filesystem;

std::string if_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) ? path.string() : "";
}

// "" where unset or empty.
std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

std::string shared_data(const std::string& name) {
  return if_there(fs::path(__FILE__).parent_path() / "../../../shared/data" / name);
}

std::string smollm2_gguf() {
  const std::string chosen = variable("SUBQUAD_TEST_GGUF");
  if (!chosen.empty()) return if_there(chosen);
  const std::string cache = variable("XDG_CACHE_HOME"), home = variable("HOME");
  if (cache.empty() && home.empty()) return "";
  const fs::path folder = !cache.empty() ? fs::path(cache) : fs::path(home) / ".cache";
  return if_there(folder / "subquad" / "SmolLM2-135M-Instruct.Q4_1.gguf");
}

}  // namespace subquad::testing
