// support_basis(t, degree, ..): large rows and keys exactly, a polynomial for the others.
//
// source: "Support Basis" (paper 003), Algorithm 1, corrected (heavy/threshold/threshold.h): the
// recipe is `threshold(t,c) + chebyshev(g=degree, ..)`. printed=true runs Algorithm 1 as it stands:
// channels above t are zero in the features, every flagged entry adds exp(s) - 1, and what the
// features hold there beyond 1 is counted twice; for Figure 4 alone: no causal mask, no gradients.
// use when: few rows and keys are large, and the others' scores small. do not use for: see
// threshold and chebyshev. Assumes sub-Gaussian channels; `error` holds whatever they are.
// |P - D^-1 A V|_max <= 2 eps / (1 - eps) |V|_max, eps the relative error on the others' intervals.
// cost: those of the two. parameters: t, c as in threshold; degree, bound, fit, error, buckets,
// chunk as in chebyshev; printed (false).
#pragma once

#include <memory>

#include "methods/method.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<Recipe> make_support_basis(const SpecPart& spec, const Method& others);

}  // namespace subquad
