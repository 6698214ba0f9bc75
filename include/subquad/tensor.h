// Non-owning four-dimensional views: (batch, head, position, channel).
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "subquad/export.h"

namespace subquad {

// Storage types. Arithmetic is always f32.
enum class DType : std::uint8_t { f32, bf16, f16 };

constexpr std::int64_t size_of(DType type) { return type == DType::f32 ? 4 : 2; }
SUBQUAD_API const char* name_of(DType type);

using Shape4 = std::array<std::int64_t, 4>;

// Strides of a dense row-major tensor, in elements. Extents whose product overflows wrap around;
// every call refuses them.
constexpr Shape4 dense_strides(const Shape4& shape) {
  const auto product = [](std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  };
  const std::int64_t head = product(shape[2], shape[3]);
  return {product(shape[1], head), head, shape[3], 1};
}

// A view of `Pointer` (const void* or void*): it owns nothing, the caller keeps the memory alive.
// shape: (batch, head, position, channel). stride: in elements; any value for the first three
// dimensions (0 broadcasts, negative runs backwards) that keeps every element within the address
// space (2^56 bytes), 1 for the last unless its extent is below 2. A tensor that is written may not
// broadcast, nor hold two elements in one place.
template <typename Pointer>
struct BasicTensorView {
  Pointer data = nullptr;
  DType dtype = DType::f32;
  Shape4 shape{0, 0, 0, 0};
  Shape4 stride{0, 0, 0, 0};

  std::int64_t batch() const { return shape[0]; }
  std::int64_t heads() const { return shape[1]; }
  std::int64_t length() const { return shape[2]; }
  std::int64_t channels() const { return shape[3]; }
  // Offset in elements of channel 0 at (b, h, i).
  std::int64_t offset(std::int64_t b, std::int64_t h, std::int64_t i) const {
    return b * stride[0] + h * stride[1] + i * stride[2];
  }
  bool empty() const { return data == nullptr; }
  // A view to write is a view to read.
  operator BasicTensorView<const void*>() const requires std::is_same_v<Pointer, void*> {
    return {data, dtype, shape, stride};
  }
};

using TensorView = BasicTensorView<const void*>;
using MutableTensorView = BasicTensorView<void*>;

inline TensorView dense_view(const void* data, DType dtype, const Shape4& shape) {
  return {data, dtype, shape, dense_strides(shape)};
}
inline MutableTensorView dense_view(void* data, DType dtype, const Shape4& shape) {
  return {data, dtype, shape, dense_strides(shape)};
}
inline TensorView as_const(const MutableTensorView& view) { return view; }

}  // namespace subquad
