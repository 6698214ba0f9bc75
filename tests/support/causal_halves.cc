#include "support/causal_halves.h"

#include <algorithm>
#include <cstdint>

namespace subquad::testing {

Halves halves_of(const Problem& problem, std::int64_t base, std::int64_t i, std::int64_t key) {
  const std::int64_t keys = problem.key.length();
  const bool right = problem.causal == Causal::bottom_right;
  const std::int64_t position = std::min(i + (right ? keys - problem.query.length() : 0), keys - 1);
  std::int64_t begin = 0, end = keys;
  while (end - begin > base) {
    const std::int64_t middle = begin + (end - begin + 1) / 2;
    if (key < middle && position >= middle) return {begin, middle};
    (position < middle ? end : begin) = middle;
  }
  return {};
}

}  // namespace subquad::testing
