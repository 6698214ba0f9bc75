// What a method spec can name: the parts, their parameters and where they come from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "subquad/export.h"

namespace subquad {

// exact: alone. heavy: entries that are evaluated exactly. light: an estimate of all others, at
// most one in a spec. both: heavy and light at once. recipe: chooses among methods for each head.
// correction: of what all other parts of the spec have put out, at most one.
enum class PartKind : std::uint8_t { exact, heavy, light, both, recipe, correction };

// The word for it: "exact", "heavy", "light", "heavy and light", "recipe", "correction".
SUBQUAD_API const char* to_string(PartKind kind);

struct PartParameter {
  std::string name;      // as in a spec, name=value
  std::string fallback;  // the value without one
  std::string range;     // "1 to 2^20", or the words it may be
};

struct PartInfo {
  std::string name;  // as in a spec
  PartKind kind;
  std::string summary;                    // which entries it evaluates, or what it estimates by
  std::string source;                     // paper and place, or "ours"
  std::vector<PartParameter> parameters;  // in the order of positional arguments
};

// All parts, in the order of docs/guide/specs.md. Thread-safe.
SUBQUAD_API std::vector<PartInfo> method_parts();

}  // namespace subquad
