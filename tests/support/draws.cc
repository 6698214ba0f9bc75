#include "support/draws.h"

#include <cstdint>

namespace subquad::testing {

Draws draws(std::uint64_t first, std::uint64_t count) {
#ifdef SUBQUAD_SANITIZED
  const std::uint64_t least = count < 3 ? count : 3, third = count / 3;
  return {first, first + (third > least ? third : least)};
#else
  return {first, first + count};
#endif
}

}  // namespace subquad::testing
