// Checks of single views, shared by the inputs and the outputs of all calls.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

#include <fmt/format.h>

#include "core/region.h"
#include "subquad/error.h"
#include "subquad/tensor.h"

namespace subquad {

// What all calls take: channels of a position, positions of a sequence.
inline constexpr std::int64_t kMaxChannels = 512;
inline constexpr std::int64_t kMaxLength = std::numeric_limits<std::int32_t>::max() / 2;

// An address that elements of so many bytes cannot have.
inline void check_aligned(const std::string& name, const void* data, std::int64_t bytes) {
  if (reinterpret_cast<std::uintptr_t>(data) % static_cast<std::uintptr_t>(bytes) != 0)
    throw_invalid(
        fmt::format("{}: its address is no multiple of the {} bytes of an element", name, bytes));
}

// A count without its pointer, or beyond what memory can hold.
template <typename T>
void check_span(const std::string& name, std::span<T> entries) {
  if (entries.empty()) return;
  if (entries.data() == nullptr)
    throw_invalid(fmt::format("{}: {} entries, but no data", name, entries.size()));
  if (entries.size() > static_cast<std::size_t>(kMostBytes) / sizeof(T))
    throw_invalid(fmt::format("{}: {} entries, beyond any address space", name, entries.size()));
  check_aligned(name, entries.data(), alignof(T));
}

// A value of the enumeration, the last of which is `last`.
template <typename Enum>
void check_enum(const char* name, Enum value, Enum last) {
  if (value > last)
    throw_invalid(fmt::format("{}: unknown value {}", name, static_cast<unsigned>(value)));
}

// Extents not negative, data where there are elements, last stride 1, elements that can exist and
// lie where their type may.
template <typename View>
void check_view(const char* name, const View& view) {
  if (view.dtype > DType::f16)
    throw_invalid(fmt::format("{}: unknown dtype {}", name, static_cast<unsigned>(view.dtype)));
  bool any = true;
  std::int64_t elements = 1;
  for (const std::int64_t extent : view.shape) {
    if (extent < 0) throw_invalid(fmt::format("{}: negative extent {}", name, extent));
    any &= extent > 0;
  }
  for (const std::int64_t extent : view.shape)
    if (any && __builtin_mul_overflow(elements, extent, &elements))
      throw_invalid(fmt::format("{}: too many elements", name));
  if (any && view.data == nullptr) throw_invalid(fmt::format("{}: no data", name));
  if (view.shape[3] > 1 && view.stride[3] != 1)
    throw_invalid(fmt::format("{}: last stride is {}, must be 1", name, view.stride[3]));
  if (any) check_aligned(name, view.data, size_of(view.dtype));
  region_of(name, view);
}

template <typename View>
void check_shape(const char* name, const View& view, const Shape4& expected) {
  check_view(name, view);
  if (view.shape != expected)
    throw_invalid(fmt::format("{}: shape is ({}), must be ({})", name, fmt::join(view.shape, ", "),
                              fmt::join(expected, ", ")));
}

// A tensor that is written: as check_shape, and no element stands for two places (stride 0). That
// it has its memory for itself is for check_apart() to see, when all arguments are known to be
// good.
inline void check_target(const char* name, const MutableTensorView& view, const Shape4& expected) {
  check_shape(name, view, expected);
  const bool has_elements = std::find(view.shape.begin(), view.shape.end(), 0) == view.shape.end();
  for (std::size_t axis = 0; axis < 3; ++axis)
    if (has_elements && view.shape[axis] > 1 && view.stride[axis] == 0)
      throw_invalid(fmt::format("{}: stride {} is 0, but results cannot share memory", name, axis));
}

// A view whose positions and channels the kernels can take. `position`: what to call one.
inline void check_extents(const char* name, const TensorView& view, const char* position,
                          const char* channels) {
  check_view(name, view);
  if (view.length() > kMaxLength)
    throw_invalid(fmt::format("{}: {} {}, at most {} are supported", name, view.length(), position,
                              kMaxLength));
  if (view.channels() < 1 || view.channels() > kMaxChannels)
    throw_invalid(fmt::format("{}: {} is {}, must be 1 to {}", name, channels, view.channels(),
                              kMaxChannels));
}

inline void check_equal(const char* name, const char* what, std::int64_t got, const char* other,
                        std::int64_t expected) {
  if (got != expected)
    throw_invalid(fmt::format("{}: {} is {}, but {} has {}", name, what, got, other, expected));
}

template <typename View>
void check_f32(const char* name, const View& view) {
  if (view.dtype != DType::f32)
    throw_invalid(fmt::format("{}: must be f32, not {}", name, name_of(view.dtype)));
}

}  // namespace subquad
