// as23(degree, ..): a polynomial for all entries, the method that support bases improve on.
//
// source: Aggarwal and Alman 2023 as "Support Basis" (paper 003) gives it, Algorithm 2. It is
// `chebyshev` alone; `bound`, `fit`, `error`, `buckets` and `chunk` are its
// (light/poly/chebyshev.h). use when: all |scale <q, k>| are small. do not use for: anything with
// large entries; the paper's own tables have it at 0 % there. `support_basis` takes those out.
// cost, parameters: as chebyshev; degree 1 to 32 (2).
#pragma once

#include <memory>

#include "methods/method.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<Recipe> make_as23(const SpecPart& spec, const Method& others);

}  // namespace subquad
