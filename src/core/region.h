// The bytes that a view covers: whether they can exist, and whether two views share any.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "subquad/problem.h"
#include "subquad/tensor.h"

namespace subquad {

// More than any process can address.
inline constexpr std::int64_t kMostBytes = std::int64_t{1} << 56;

// Rows of `width` bytes; along axis k (batch, head, position) count[k] of them, step[k] bytes
// apart.
struct Region {
  std::string name;  // of the argument, for messages
  std::uintptr_t base = 0;
  std::array<std::int64_t, 3> count{0, 0, 0};
  std::array<std::int64_t, 3> step{0, 0, 0};
  std::int64_t width = 0;

  bool empty() const { return width == 0 || count[0] == 0 || count[1] == 0 || count[2] == 0; }
};

// Every extent is 0 or more. Throws Error (invalid_argument) for strides that reach further than
// any process can address (2^56 bytes), or around the end of the address space.
Region region_of(const std::string& name, const void* data, std::int64_t element_bytes,
                 const Shape4& shape, const Shape4& stride);
template <typename View>
Region region_of(const std::string& name, const View& view) {
  return region_of(name, view.data, size_of(view.dtype), view.shape, view.stride);
}
template <typename T>
Region region_of(const std::string& name, std::span<const T> entries) {
  const auto count = static_cast<std::int64_t>(entries.size_bytes());
  return region_of(name, entries.data(), 1, {1, 1, 1, count}, {0, 0, 0, 1});
}
Region region_of(const Mask& mask);

// Whether two regions share a byte, and whether a region holds two of its rows' elements in one
// place. Exact, for views that interleave too, but for strides so irregular that a quarter of a
// million steps of the search do not tell: those count as sharing.
bool overlap(const Region& a, const Region& b);
bool overlaps_itself(const Region& region);

// What a call reads: the tensors, the mask, the sinks and the offsets of a valid problem.
std::vector<Region> inputs_of(const Problem& problem);

// Throws Error (invalid_argument) where an output shares memory with an input, another output or
// itself.
void check_apart(std::span<const Region> outputs, std::span<const Region> inputs);

}  // namespace subquad
