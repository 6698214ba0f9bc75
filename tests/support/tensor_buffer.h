// A tensor that owns its storage, in any layout, with a canary in every element outside the view.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "subquad/tensor.h"
#include "support/half.h"

namespace subquad::testing {

struct Layout {
  std::array<int, 3> order{0, 1, 2};  // batch, head, position as stored, outermost first
  std::int64_t row_padding = 0;       // unused elements after the channels of each row
  std::int64_t guard = 0;             // unused elements before the first and after the last row
  bool reversed = false;              // positions stored last to first
};

class TensorBuffer {
 public:
  TensorBuffer() = default;
  TensorBuffer(DType type, const Shape4& shape, const Layout& layout = {});

  DType type() const { return type_; }
  const Shape4& shape() const { return shape_; }
  TensorView view() const { return {words_.data() + word_of(0), type_, shape_, stride_}; }
  MutableTensorView mutable_view() { return {words_.data() + word_of(0), type_, shape_, stride_}; }

  double get(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t c) const;
  void set(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t c, double value);
  // Sets every element to next(), in row-major order whatever the layout.
  void fill(const std::function<double()>& next);
  template <typename Visit>
  void for_each(Visit visit) const {
    for (std::int64_t b = 0; b < shape_[0]; ++b)
      for (std::int64_t h = 0; h < shape_[1]; ++h)
        for (std::int64_t i = 0; i < shape_[2]; ++i)
          for (std::int64_t c = 0; c < shape_[3]; ++c) visit(b, h, i, c);
  }

  // The storage bit for bit, padding included.
  const std::vector<std::uint16_t>& words() const { return words_; }
  // Whether every element outside the view still holds the canary.
  bool outside_untouched() const;

 private:
  static constexpr std::uint16_t canary = 0x7fce;  // a NaN in f16 and bf16, and twice in f32

  std::size_t words_per_element() const { return static_cast<std::size_t>(size_of(type_) / 2); }
  std::size_t word_of(std::int64_t at) const {
    return (static_cast<std::size_t>(origin_ + at)) * words_per_element();
  }
  std::int64_t element(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t c) const {
    return b * stride_[0] + h * stride_[1] + i * stride_[2] + c;
  }

  DType type_ = DType::f32;
  Shape4 shape_{0, 0, 0, 0};
  Shape4 stride_{0, 0, 0, 0};
  std::int64_t origin_ = 0;
  std::vector<std::uint16_t> words_;
};

}  // namespace subquad::testing
