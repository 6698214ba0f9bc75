#include "arrays.h"

#include <string>

namespace subquad::python {
namespace {

bool is(nb::dlpack::dtype type, nb::dlpack::dtype_code code, int bits) {
  return type.code == static_cast<std::uint8_t>(code) && type.bits == bits && type.lanes == 1;
}

struct Extents {
  Shape4 shape{1, 1, 1, 1};
  Shape4 stride{0, 0, 0, 0};
};

// The array's dimensions end at axis `end` of the four; the others have extent 1.
template <typename AnyArray>
Extents extents_of(const char* name, const AnyArray& array, std::size_t end) {
  const std::size_t rank = array.ndim();
  const std::size_t least = end - 2;
  if (rank < least || rank > end)
    throw_invalid(std::string(name) + ": " + std::to_string(rank) + " dimensions, must be " +
                  std::to_string(least) + " to " + std::to_string(end));
  Extents extents;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    extents.shape[end - rank + axis] = static_cast<std::int64_t>(array.shape(axis));
    extents.stride[end - rank + axis] = array.stride(axis);
  }
  // Strides that nothing is read by may be anything in NumPy.
  if (array.size() == 0) extents.stride = dense_strides(extents.shape);
  if (extents.shape[3] <= 1) extents.stride[3] = 1;
  return extents;
}

template <typename View, typename AnyArray>
View view_of(const char* name, const AnyArray& array, std::size_t end) {
  const Extents extents = extents_of(name, array, end);
  return {array.data(), dtype_of(name, array.dtype()), extents.shape, extents.stride};
}

}  // namespace

DType dtype_of(const char* name, nb::dlpack::dtype type) {
  using Code = nb::dlpack::dtype_code;
  if (is(type, Code::Float, 32)) return DType::f32;
  if (is(type, Code::Float, 16)) return DType::f16;
  if (is(type, Code::Bfloat, 16) || is(type, Code::UInt, 16)) return DType::bf16;
  throw_invalid(std::string(name) + ": its dtype is none of float32, float16 and bfloat16");
}

TensorView tensor_of(const char* name, const Array& array) {
  return view_of<TensorView>(name, array, 4);
}
MutableTensorView tensor_of(const char* name, const Target& array) {
  return view_of<MutableTensorView>(name, array, 4);
}
TensorView rows_of(const char* name, const Array& array) {
  return view_of<TensorView>(name, array, 3);
}
MutableTensorView rows_of(const char* name, const Target& array) {
  return view_of<MutableTensorView>(name, array, 3);
}

Mask mask_of(const Array& array) {
  using Code = nb::dlpack::dtype_code;
  const Extents extents = extents_of("mask", array, 4);
  const bool boolean = is(array.dtype(), Code::Bool, 8);
  if (!boolean && !is(array.dtype(), Code::Float, 32))
    throw_invalid("mask: its dtype is neither bool nor float32");
  return {boolean ? MaskKind::boolean : MaskKind::additive, array.data(), extents.shape,
          extents.stride};
}

}  // namespace subquad::python
