// Non-owning four-dimensional views: (batch, head, position, channel).
#pragma once

#include <array>
#include <cstdint>

namespace subquad {

// Storage types. Arithmetic is always f32.
enum class DType : std::uint8_t { f32, bf16, f16 };

constexpr std::int64_t size_of(DType type) { return type == DType::f32 ? 4 : 2; }
const char* name_of(DType type);

using Shape4 = std::array<std::int64_t, 4>;

// Strides of a dense row-major tensor, in elements.
constexpr Shape4 dense_strides(const Shape4& shape) {
  return {shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1};
}

// A view of `Pointer` (const void* or void*): it owns nothing, the caller keeps the memory alive.
// shape: (batch, head, position, channel). stride: in elements; any value for the first three
// dimensions (0 broadcasts, negative runs backwards), 1 for the last unless its extent is below 2.
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
};

using TensorView = BasicTensorView<const void*>;
using MutableTensorView = BasicTensorView<void*>;

inline TensorView dense_view(const void* data, DType dtype, const Shape4& shape) {
  return {data, dtype, shape, dense_strides(shape)};
}
inline MutableTensorView dense_view(void* data, DType dtype, const Shape4& shape) {
  return {data, dtype, shape, dense_strides(shape)};
}
inline TensorView as_const(const MutableTensorView& view) {
  return {view.data, view.dtype, view.shape, view.stride};
}

}  // namespace subquad
