// How many random problems a property test looks at.
#pragma once

#include <cstdint>

namespace subquad::testing {

// Seeds first, first + 1, ..: `count` of them, a third (at least 3) under a sanitizer, where every
// problem takes ten times as long and a few of each kind reach all code.
class Seeds {
 public:
  Seeds(std::uint64_t first, std::uint64_t count);

  struct Seed {
    std::uint64_t value;
    std::uint64_t operator*() const { return value; }
    Seed& operator++() { return ++value, *this; }
    bool operator==(const Seed&) const = default;
  };
  Seed begin() const { return begin_; }
  Seed end() const { return end_; }
  std::int64_t count() const { return static_cast<std::int64_t>(end_.value - begin_.value); }

 private:
  Seed begin_, end_;
};

}  // namespace subquad::testing
