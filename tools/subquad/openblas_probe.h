// Is the OpenBLAS on this machine using kernels for a much older processor?
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace subquad::cli {

struct OpenBlasProbe {
  std::string core;     // the kernel family it chose, e.g. "SkylakeX"
  std::string version;  // its configuration string
  bool fallback = false;
};

// Loads libopenblas.so.0 and asks it; empty when it is not installed. `isa_supported`: the names of
// BuildInfo. Old releases that do not know a processor fall back to kernels several times slower;
// OPENBLAS_CORETYPE names a better family.
std::optional<OpenBlasProbe> probe_openblas(const std::vector<std::string>& isa_supported);

// Whether kernels for `core` leave a machine with these instruction sets far below its speed.
bool is_fallback_core(const std::string& core, const std::vector<std::string>& isa_supported);

}  // namespace subquad::cli
