#include "io/contents.h"

#include <cstdint>
#include <cstring>
#include <new>

#include <fmt/format.h>

namespace subquad::io {

std::span<std::byte> Contents::allocate(std::size_t size, const Source& source) {
  try {
    owned.push_back(std::make_unique_for_overwrite<std::byte[]>(size));
    return {owned.back().get(), size};
  } catch (const std::bad_alloc&) {
    throw_failed(fmt::format("{}: not enough memory for {} bytes", source.label(), size));
  }
}

const void* empty_data() {
  static constexpr std::uint64_t placeholder = 0;
  return &placeholder;
}

const void* Contents::place(std::span<const std::byte> data, ElementType type,
                            const Source& source) {
  if (data.empty()) return empty_data();
  const auto alignment = static_cast<std::uintptr_t>(size_of(type));
  if (reinterpret_cast<std::uintptr_t>(data.data()) % alignment == 0) return data.data();
  const std::span<std::byte> copy = allocate(data.size(), source);
  std::memcpy(copy.data(), data.data(), data.size());
  return copy.data();
}

}  // namespace subquad::io
