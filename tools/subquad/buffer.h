// Dense tensors that the tool owns. Memory is written on construction, so that the first touch of
// fresh pages never falls into a timed region.
#pragma once

#include <cstddef>
#include <vector>

#include "subquad/tensor.h"

namespace subquad::cli {

class Buffer {
 public:
  Buffer() = default;
  Buffer(const Shape4& shape, DType dtype)
      : shape_(shape),
        dtype_(dtype),
        bytes_(
            static_cast<std::size_t>(shape[0] * shape[1] * shape[2] * shape[3] * size_of(dtype))) {}

  MutableTensorView view() { return dense_view(data(), dtype_, shape_); }
  TensorView view() const {
    return dense_view(static_cast<const void*>(bytes_.data()), dtype_, shape_);
  }
  void* data() { return bytes_.data(); }
  std::size_t size_bytes() const { return bytes_.size(); }

 private:
  Shape4 shape_{0, 0, 0, 0};
  DType dtype_ = DType::f32;
  std::vector<std::byte> bytes_;
};

}  // namespace subquad::cli
