// Specs of heavy parts alone, for callers that estimate the other entries themselves.
#pragma once

#include <span>
#include <string_view>

#include "methods/method.h"

namespace subquad {

// Throws Error (invalid_argument) "NAME 'SPEC': .." for an unknown part, a bad argument and a part
// that is not heavy. `name`: what the caller's user calls the spec. `given` as in parse_method().
Method parse_heavy_method(std::string_view name, std::string_view spec,
                          std::span<const GivenMask> given);

// Whether the spec can be one, whatever masks will be given.
void check_heavy_spec(std::string_view name, std::string_view spec);

}  // namespace subquad
