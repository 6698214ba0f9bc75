// Specs that must be exact, on random problems and every instruction set.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "property/heavy_light_support.h"
#include "support/seeds.h"
#include "support/isa.h"

namespace subquad::testing {

// On draw(first_seed), draw(first_seed + 1), ..
void expect_all_exact(const std::vector<std::string>& specs, std::uint64_t first_seed,
                      std::uint64_t count, OwnedProblem (*draw)(std::uint64_t));

}  // namespace subquad::testing
