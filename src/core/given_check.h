// What the caller's given masks must keep to.
#pragma once

#include <span>
#include <vector>

#include "core/region.h"
#include "subquad/given.h"
#include "subquad/problem.h"

namespace subquad {

// Throws Error (invalid_argument) that names given[i] and the field, unless every mask fits the
// problem.
void validate_given(const Problem& problem, std::span<const GivenMask> given);

// What a call reads, masks that passed validate_given included.
std::vector<Region> inputs_of(const Problem& problem, std::span<const GivenMask> given);

}  // namespace subquad
