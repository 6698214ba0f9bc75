// Arithmetic on sizes that come from a file: nothing where the result does not fit.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

namespace subquad::io {

inline std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

inline std::optional<std::int64_t> checked_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// Bytes of a dense tensor. Nothing when an extent is negative, or when the product of the extents
// other than zero overflows (so that strides of an accepted shape fit as well).
inline std::optional<std::int64_t> dense_bytes(std::span<const std::int64_t> shape,
                                               std::int64_t element_size) {
  std::optional<std::int64_t> bytes = element_size;
  bool empty = false;
  for (const std::int64_t extent : shape) {
    if (extent < 0) return std::nullopt;
    if (extent == 0) empty = true;
    if (extent > 0) bytes = checked_multiply(*bytes, extent);
    if (!bytes) return std::nullopt;
  }
  return empty ? 0 : bytes;
}

}  // namespace subquad::io
