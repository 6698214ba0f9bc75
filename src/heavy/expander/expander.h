// expander(tau, mode, width, repetitions): the heavy columns' entries of HyperAttention's
// Corollary 2. The algorithm and its card: heavy/expander_sketch.h.
// Under a causal mask: keys and values after a row have no influence on it, later queries have, by
// the column sums that say what is heavy. topk is the strict part beside it.
#pragma once

#include <memory>

#include "parts/heavy.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<HeavyRule> make_expander_rule(const SpecPart& spec);

}  // namespace subquad
