#include "openblas_probe.h"

#include <dlfcn.h>

#include <algorithm>
#include <initializer_list>

namespace subquad::cli {
namespace {

using TextFunction = char* (*)();

std::string call(void* library, const char* name) {
  const auto function = reinterpret_cast<TextFunction>(::dlsym(library, name));
  const char* text = function == nullptr ? nullptr : function();
  return text == nullptr ? std::string() : text;
}

bool any_starts_with(const std::vector<std::string>& names, const std::string& start) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return name.rfind(start, 0) == 0; });
}

bool is_one_of(const std::string& core, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return core == name; });
}

}  // namespace

bool is_fallback_core(const std::string& core, const std::vector<std::string>& isa_supported) {
  const bool wide = is_one_of(core, {"SkylakeX", "Cooperlake", "Sapphirerapids", "SapphireRapids"});
  if (any_starts_with(isa_supported, "avx3")) return !wide;
  if (any_starts_with(isa_supported, "avx2")) return !wide && !is_one_of(core, {"Haswell", "Zen"});
  return false;
}

std::optional<OpenBlasProbe> probe_openblas(const std::vector<std::string>& isa_supported) {
  void* library = ::dlopen("libopenblas.so.0", RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) return std::nullopt;
  OpenBlasProbe probe;
  probe.core = call(library, "openblas_get_corename");
  probe.version = call(library, "openblas_get_config");
  probe.fallback = !probe.core.empty() && is_fallback_core(probe.core, isa_supported);
  // The library stays loaded: its worker threads do not survive an unload.
  return probe;
}

}  // namespace subquad::cli
