#include "io/contents.h"

#include <cstdint>
#include <cstring>

namespace subquad::io {

const void* empty_data() {
  static constexpr std::uint64_t placeholder = 0;
  return &placeholder;
}

const void* place(std::span<const std::byte> data, ElementType type, Storage& storage,
                  const Source& source) {
  if (data.empty()) return empty_data();
  const auto alignment = static_cast<std::uintptr_t>(size_of(type));
  if (reinterpret_cast<std::uintptr_t>(data.data()) % alignment == 0) return data.data();
  const std::span<std::byte> copy = storage.allocate(data.size(), source);
  std::memcpy(copy.data(), data.data(), data.size());
  return copy.data();
}

}  // namespace subquad::io
