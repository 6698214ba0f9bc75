// The recursion of HyperAttention's Algorithm 4 from its definition: which half of which half holds
// an entry of a causal score matrix. Shares no code with the library.
#pragma once

#include <cstdint>

#include "subquad/problem.h"

namespace subquad::testing {

// Keys [begin, end) of a node; empty for the triangles on the diagonal.
struct Halves {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
};

// The node of a visible entry of a problem without packed sequences: the keys are cut in half, the
// first half no smaller, until at most `base` are left.
Halves halves_of(const Problem& problem, std::int64_t base, std::int64_t i, std::int64_t key);

}  // namespace subquad::testing
