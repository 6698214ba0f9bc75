#include "support/tensor_buffer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

namespace subquad::testing {

TensorBuffer::TensorBuffer(DType type, const Shape4& shape, const Layout& layout)
    : type_(type), shape_(shape) {
  std::int64_t extent = shape[3] + layout.row_padding;
  stride_[3] = 1;
  for (int n = 2; n >= 0; --n) {
    const auto axis = static_cast<std::size_t>(layout.order[static_cast<std::size_t>(n)]);
    stride_[axis] = extent;
    extent *= shape[axis];
  }
  // The last row ends with its channels: a read past them leaves the allocation.
  extent -= extent > 0 ? layout.row_padding : 0;
  const std::int64_t elements = std::max<std::int64_t>(1, extent + 2 * layout.guard);
  words_.assign(static_cast<std::size_t>(elements * size_of(type) / 2), canary);
  origin_ = layout.guard;
  if (layout.reversed && shape[2] > 0) {
    origin_ += (shape[2] - 1) * stride_[2];
    stride_[2] = -stride_[2];
  }
}

double TensorBuffer::get(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t c) const {
  const std::uint16_t* word = words_.data() + word_of(element(b, h, i, c));
  if (type_ != DType::f32) return decode_half(*word, type_);
  float value = 0;
  std::memcpy(&value, word, sizeof value);
  return static_cast<double>(value);
}

void TensorBuffer::set(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t c,
                       double value) {
  std::uint16_t* word = words_.data() + word_of(element(b, h, i, c));
  if (type_ != DType::f32) {
    *word = encode_half(value, type_);
    return;
  }
  const auto single = static_cast<float>(value);
  std::memcpy(word, &single, sizeof single);
}

void TensorBuffer::fill(const std::function<double()>& next) {
  for_each([&](auto b, auto h, auto i, auto c) { set(b, h, i, c, next()); });
}

bool TensorBuffer::outside_untouched() const {
  std::vector<std::uint8_t> inside(words_.size(), 0);
  for_each([&](auto b, auto h, auto i, auto c) {
    std::fill_n(inside.data() + word_of(element(b, h, i, c)), words_per_element(), 1);
  });
  for (std::size_t n = 0; n < words_.size(); ++n)
    if (inside[n] == 0 && words_[n] != canary) return false;
  return true;
}

}  // namespace subquad::testing
