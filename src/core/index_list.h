// A list of row or key positions: a contiguous run, or ids in memory that the owner keeps alive.
#pragma once

#include <cstdint>

namespace subquad {

struct IndexList {
  const std::int32_t* ids = nullptr;  // nullptr: first, first + 1, ...
  std::int64_t first = 0;
  std::int64_t count = 0;
  bool ascending = false;  // ids rise (not strictly); a contiguous run always does

  bool contiguous() const { return ids == nullptr; }
  bool sorted() const { return contiguous() || ascending; }
  std::int64_t operator[](std::int64_t i) const { return ids != nullptr ? ids[i] : first + i; }
  IndexList slice(std::int64_t begin, std::int64_t length) const {
    if (ids != nullptr) return {ids + begin, 0, length, ascending};
    return {nullptr, first + begin, length};
  }
};

inline IndexList index_range(std::int64_t begin, std::int64_t end) {
  return {nullptr, begin, end - begin};
}

}  // namespace subquad
