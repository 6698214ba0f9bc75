// Bounds-checked reading of little-endian fields from memory.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "io/source.h"

namespace subquad::io {

static_assert(std::endian::native == std::endian::little,
              "tensor files are little-endian and used as they are");

// Every read names the field; Error (invalid_argument) when the bytes end inside it.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const Source& source) : rest_(bytes), source_(source) {}

  std::size_t remaining() const { return rest_.size(); }

  // T is an unsigned integer.
  template <typename T>
  T read(std::string_view field) {
    T value;
    std::memcpy(&value, take(sizeof(T), field).data(), sizeof(T));
    return value;
  }

  std::span<const std::byte> take(std::uint64_t count, std::string_view field) {
    if (count > rest_.size()) source_.fail(field, "truncated");
    const auto head = rest_.first(static_cast<std::size_t>(count));
    rest_ = rest_.subspan(head.size());
    return head;
  }

 private:
  std::span<const std::byte> rest_;
  const Source& source_;
};

inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace subquad::io
