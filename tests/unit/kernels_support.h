// What the kernel tests share: aligned buffers with a canary, and row sources of every layout.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "core/memory.h"
#include "core/round_up.h"
#include "kernels/pack.h"
#include "support/draw.h"
#include "support/half.h"

namespace subquad::testing {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float canary = -7.25e8F;

// `count` floats aligned as the kernels ask, all canary.
Scratch<float> canary_floats(std::int64_t count);

inline bool same_float(float a, float b) { return std::isnan(a) ? std::isnan(b) : a == b; }

// Rows of normal draws in storage that ends with the last row, so that the address sanitizer sees
// every read past it. The values are those that the storage type holds.
class StoredRows {
 public:
  StoredRows(Draw& draw, DType type, std::int64_t rows, std::int64_t width, std::int64_t stride);

  double value(std::int64_t row, std::int64_t column) const;
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
  void set(std::int64_t element, double value);

  DType type_;
  std::int64_t rows_, width_, stride_;
  std::vector<std::byte> bytes_;
};

// `count` positions below `rows`, repeats allowed.
std::vector<std::int32_t> random_ids(Draw& draw, std::int64_t rows, std::int64_t count);

}  // namespace subquad::testing
