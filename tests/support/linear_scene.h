// Problems for linear attention whose sums of weights are well away from zero, and its specs.
#pragma once

#include <cstdint>
#include <string>

#include "property/heavy_light_support.h"
#include "subquad/linear_attention.h"
#include "support/random_problem.h"

namespace subquad::testing {

inline constexpr FeatureMap all_maps[] = {FeatureMap::none, FeatureMap::elu, FeatureMap::relu};

std::string linear_spec(FeatureMap map);

// Keys near (1, .., 1); queries near it or its opposite: with map = none, sums near n |1|^2 /
// sqrt(D) of either sign. positive: none of the opposite.
void give_signs(OwnedProblem& owned, std::uint64_t seed, bool positive);

// A random problem that linear attention takes: any layout and type, groups, packed sequences,
// causal or not, sinks; no window and no mask. For map = none it has signs.
OwnedProblem linear_problem(std::uint64_t seed, FeatureMap map, bool positive,
                            const ProblemLimits& limits);

}  // namespace subquad::testing
