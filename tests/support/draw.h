// Seeded draws for tests, the same on every standard library.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <random>

namespace subquad::testing {

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : engine_(seed) {}

  // In [0, 1).
  double unit() { return std::ldexp(static_cast<double>(engine_() >> 11), -53); }
  bool chance(double probability) { return unit() < probability; }
  // Both ends included.
  std::int64_t integer(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(unit() * static_cast<double>(high - low + 1));
  }
  // Standard normal, by Box and Muller.
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - unit()));
    return radius * std::cos(6.283185307179586 * unit());
  }
  template <typename T>
  T one_of(std::initializer_list<T> choices) {
    return *(choices.begin() + integer(0, static_cast<std::int64_t>(choices.size()) - 1));
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace subquad::testing
