// given(i): the entries of the caller's mask number i (include/subquad/given.h).
//
// source: HyperAttention, section 2: a predefined mask M^H as the heavy part.
// use when: the heavy entries are known: a sparse pattern of the model, another index's top keys,
// blocks chosen by a router.
// do not use for: keys that are the same for all rows (sink) or lie around the diagonal (band).
// cost: 2 (D + Dv) flops an entry. Blocks are packed and run at the speed of exact attention. Rows
// with lists of their own read each key where it lies: bound by memory (docs/guide/specs.md).
// parameters: i number of the mask in Options::given, default 0. Needs no assumption.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "parts/heavy.h"
#include "parts/spec.h"
#include "subquad/given.h"

namespace subquad {

// The number of the mask that given(i) stands for.
std::int64_t given_index(const SpecPart& spec);

// The masks must have passed validate_given and outlive the rule.
std::unique_ptr<HeavyRule> make_given_rule(const SpecPart& spec, std::span<const GivenMask> given);

}  // namespace subquad
