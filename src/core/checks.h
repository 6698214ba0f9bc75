// Checks of single views, shared by the inputs and the outputs.
#pragma once

#include <fmt/format.h>

#include "subquad/error.h"
#include "subquad/tensor.h"

namespace subquad {

// Extents not negative, data where there are elements, last stride 1.
template <typename View>
void check_view(const char* name, const View& view) {
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
}

template <typename View>
void check_shape(const char* name, const View& view, const Shape4& expected) {
  check_view(name, view);
  if (view.shape != expected)
    throw_invalid(fmt::format("{}: shape is ({}), must be ({})", name, fmt::join(view.shape, ", "),
                              fmt::join(expected, ", ")));
}

template <typename View>
void check_f32(const char* name, const View& view) {
  if (view.dtype != DType::f32)
    throw_invalid(fmt::format("{}: must be f32, not {}", name, name_of(view.dtype)));
}

}  // namespace subquad
