#include "support/draw.h"

#include <cmath>
#include <cstdint>

namespace subquad::testing {

Draw::Draw(std::uint64_t seed) : engine_(seed) {}

double Draw::unit() { return std::ldexp(static_cast<double>(engine_() >> 11), -53); }

std::int64_t Draw::integer(std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(unit() * static_cast<double>(high - low + 1));
}

double Draw::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - unit()));
  return radius * std::cos(6.283185307179586 * unit());
}

}  // namespace subquad::testing
