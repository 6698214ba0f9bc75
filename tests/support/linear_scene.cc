#include "support/linear_scene.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

namespace subquad::testing {

std::string linear_spec(FeatureMap map) {
  const char* names[] = {"none", "elu", "relu"};
  return std::string("linear(map=") + names[static_cast<std::size_t>(map)] + ")";
}

void give_signs(OwnedProblem& owned, std::uint64_t seed, bool positive) {
  Draw draw(seed);
  owned.key.fill([&] { return 1 + 0.4 * draw.normal(); });
  owned.query.for_each([&](auto b, auto h, auto i, auto c) {
    const double sign = positive || (b + h + i) % 3 != 0 ? 1.0 : -1.0;
    owned.query.set(b, h, i, c, sign + 0.4 * draw.normal());
  });
}

OwnedProblem linear_problem(std::uint64_t seed, FeatureMap map, bool positive,
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
