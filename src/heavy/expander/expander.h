// expander(tau, mode, width, repetitions): the heavy columns' entries of HyperAttention's
// Corollary 2. The algorithm and its card: heavy/expander_sketch.h.
#pragma once

#include <memory>

#include "parts/heavy.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<HeavyRule> make_expander_rule(const SpecPart& spec);

}  // namespace subquad
