// What the kernel tests share: aligned buffers with a canary, and row sources of every layout.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "core/memory.h"
#include "kernels/pack.h"
#include "support/draw.h"
#include "support/half.h"

namespace subquad::testing {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float canary = -7.25e8F;

// `count` floats aligned as the kernels ask, all canary.
inline Scratch<float> canary_floats(std::int64_t count) {
  Scratch<float> floats(count);
  std::fill_n(floats.data(), count, canary);
  return floats;
}

inline std::int64_t round_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

inline bool same_float(float a, float b) { return std::isnan(a) ? std::isnan(b) : a == b; }

// Rows of normal draws in storage that ends with the last row, so that the address sanitizer sees
// every read past it. The values are those that the storage type holds.
class StoredRows {
 public:
  StoredRows(Draw& draw, DType type, std::int64_t rows, std::int64_t width, std::int64_t stride)
      : type_(type), rows_(rows), width_(width), stride_(stride) {
    const std::int64_t elements = rows == 0 ? 0 : (rows - 1) * stride + width;
    bytes_.resize(static_cast<std::size_t>(elements * size_of(type)));
    for (std::int64_t i = 0; i < elements; ++i) set(i, draw.normal());
  }

  double value(std::int64_t row, std::int64_t column) const {
    const std::byte* at = bytes_.data() + (row * stride_ + column) * size_of(type_);
    if (type_ == DType::f32) return static_cast<double>(read<float>(at));
    return decode_half(read<std::uint16_t>(at), type_);
  }
  void set_value(std::int64_t row, std::int64_t column, double value) {
    set(row * stride_ + column, value);
  }
  kernels::RowSource source() const {
    return {bytes_.data(), type_, stride_, width_, nullptr, 0, rows_};
  }

 private:
  template <typename T>
  static T read(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  void set(std::int64_t element, double value) {
    std::byte* at = bytes_.data() + element * size_of(type_);
    const auto single = static_cast<float>(value);
    const std::uint16_t half = type_ == DType::f32 ? std::uint16_t{0} : encode_half(value, type_);
    const void* from = type_ == DType::f32 ? static_cast<const void*>(&single) : &half;
    std::memcpy(at, from, static_cast<std::size_t>(size_of(type_)));
  }

  DType type_;
  std::int64_t rows_, width_, stride_;
  std::vector<std::byte> bytes_;
};

// `count` positions below `rows`, repeats allowed.
inline std::vector<std::int32_t> random_ids(Draw& draw, std::int64_t rows, std::int64_t count) {
  std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
  for (auto& id : ids) id = static_cast<std::int32_t>(draw.integer(0, rows - 1));
  return ids;
}

}  // namespace subquad::testing
