// Seeded draws for tests, the same on every standard library.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <random>

namespace subquad::testing {

class Draw {
 public:
  explicit Draw(std::uint64_t seed);

  // In [0, 1).
  double unit();
  bool chance(double probability) { return unit() < probability; }
  // Both ends included.
  std::int64_t integer(std::int64_t low, std::int64_t high);
  // Standard normal, by Box and Muller.
  double normal();
  template <typename T>
  T one_of(std::initializer_list<T> choices) {
    return *(choices.begin() + integer(0, static_cast<std::int64_t>(choices.size()) - 1));
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace subquad::testing
