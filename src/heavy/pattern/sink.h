// sink(n): the first n keys, for every row.
//
// source: attention sinks (Xiao et al. 2023); the special columns of HyperAttention, section 4.3.
// use when: language models and class tokens, whose first keys collect weight from every query.
// do not use for: inputs without such keys: it only adds n columns of work.
// cost: 2 n (D + Dv) flops a row, packed once a head.
// parameters: n keys, 1 to 2^30, default 4. Needs no assumption.
#pragma once

#include <memory>

#include "parts/heavy.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<HeavyRule> make_sink_rule(const SpecPart& spec);
std::unique_ptr<HeavyRule> make_sink(std::int64_t count);

}  // namespace subquad
