// How many random problems a property test looks at.
#pragma once

#include <cstdint>

namespace subquad::testing {

// Seeds first, first + 1, ..: `count` of them, a third (at least 3) under a sanitizer, where every
// problem takes ten times as long and a few of each kind reach all code.
struct Draws {
  std::uint64_t begin, end;
};

Draws draws(std::uint64_t first, std::uint64_t count);

}  // namespace subquad::testing
