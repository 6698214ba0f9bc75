#include "support/seeds.h"

#include <algorithm>
#include <cstdint>

namespace subquad::testing {
namespace {

std::uint64_t tried(std::uint64_t count) {
#ifdef SUBQUAD_SANITIZED
  return std::min(count, std::max<std::uint64_t>(count / 3, 3));
#else
  return count;
#endif
}

}  // namespace

Seeds::Seeds(std::uint64_t first, std::uint64_t count)
    : begin_{first}, end_{first + tried(count)} {}

}  // namespace subquad::testing
