// Problems for linear attention whose sums of weights are well away from zero, and its specs.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "property/heavy_light_support.h"
#include "subquad/linear_attention.h"
#include "support/random_problem.h"

namespace subquad::testing {

inline constexpr FeatureMap all_maps[] = {FeatureMap::none, FeatureMap::elu, FeatureMap::relu};

inline std::string linear_spec(FeatureMap map) {
  const char* names[] = {"none", "elu", "relu"};
  return std::string("linear(map=") + names[static_cast<std::size_t>(map)] + ")";
}

// Keys near (1, .., 1); queries near it or its opposite: with map = none, sums near n |1|^2 /
// sqrt(D) of either sign. positive: none of the opposite.
inline void give_signs(OwnedProblem& owned, std::uint64_t seed, bool positive) {
  Draw draw(seed);
  owned.key.fill([&] { return 1 + 0.4 * draw.normal(); });
  owned.query.for_each([&](auto b, auto h, auto i, auto c) {
    const double sign = positive || (b + h + i) % 3 != 0 ? 1.0 : -1.0;
    owned.query.set(b, h, i, c, sign + 0.4 * draw.normal());
  });
}

// A random problem that linear attention takes: any layout and type, groups, packed sequences,
// causal or not, sinks; no window and no mask. For map = none it has signs.
inline OwnedProblem linear_problem(std::uint64_t seed, FeatureMap map, bool positive,
                                   const ProblemLimits& limits) {
  OwnedProblem owned = random_problem(seed, type_of(seed), limits);
  owned.problem.window = {};
  owned.problem.mask = {};
  if (map == FeatureMap::none) {
    give_signs(owned, seed, positive);
    if (owned.problem.scale) owned.problem.scale = std::fabs(*owned.problem.scale) + 0.1F;
    owned.problem.sink_logits = {};
  }
  return owned;
}

}  // namespace subquad::testing
