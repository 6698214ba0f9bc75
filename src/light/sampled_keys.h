// A weighted sample of keys that all rows of a head share, as a light part.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "light/light_part.h"

namespace subquad {

// Every sampled key stands for `weight` keys (its weight multiplies exp(score)). `correction`
// scales the variance estimate (1 - m / n without replacement, 1 with). Packs the sample: O(m (D +
// Dv)).
std::unique_ptr<LightPart> make_sampled_keys(const HeadProblem& head,
                                             std::vector<std::int32_t> sample, double weight,
                                             double correction);

}  // namespace subquad
