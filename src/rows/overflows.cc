#include "rows/overflows.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "kernels/filter.h"
#include "kernels/stream.h"

namespace subquad {
namespace {

constexpr double kLargest = std::numeric_limits<float>::max();
constexpr float kCalm = 0x1p56f;
constexpr std::int64_t kCalmDepth = 1 << 14;  // 2^56 * 2^56 * 2^14 = 2^126

using LoadColumn = std::function<void(std::int64_t column, float* out)>;

bool is_finite(const float* x, std::int64_t count) {
  return std::all_of(x, x + count, [](float v) { return std::isfinite(v); });
}

double dot(const float* a, const float* b, std::int64_t count) {
  double sum = 0;
  for (std::int64_t c = 0; c < count; ++c) sum += double{a[c]} * double{b[c]};
  return sum;
}

bool all_finite(const Products& p) {
  return kernels::finite_scores(p.data, p.stride, p.rows, p.columns);
}

std::vector<Overflow> search(const Products& p, const LoadColumn& load) {
  std::vector<Overflow> found;
  std::vector<float> column(static_cast<std::size_t>(p.depth));
  for (std::int64_t c = 0; c < p.columns; ++c) {
    bool loaded = false;
    for (std::int64_t r = 0; r < p.rows; ++r) {
      if (std::isfinite(p.data[r * p.stride + c])) continue;
      if (!loaded) load(c, column.data());
      loaded = true;
      if (!is_finite(column.data(), p.depth)) break;
      const float* row = p.left + r * p.depth;
      if (is_finite(row, p.depth)) found.push_back({r, c, dot(row, column.data(), p.depth)});
    }
  }
  return found;
}

}  // namespace

bool is_calm(const float* x, std::int64_t count) { return kernels::within(x, count, kCalm); }

std::vector<Overflow> find_overflows(const Products& products, const kernels::RightMatrix& right,
                                     bool right_is_calm, bool left_is_calm) {
  const std::int64_t numbers = products.rows * products.depth;
  if (right_is_calm && products.depth <= kCalmDepth &&
      (left_is_calm || is_calm(products.left, numbers)))
    return {};
  if (all_finite(products)) return {};
  const std::int64_t panel = kernels::blocking().panel;
  return search(products, [&](std::int64_t column, float* out) {
    const float* from = right.data + column / panel * right.panel_stride + column % panel;
    for (std::int64_t k = 0; k < products.depth; ++k) out[k] = from[k * right.depth_stride];
  });
}

std::vector<Overflow> find_overflows(const Products& products, const kernels::RowSource& right) {
  if (all_finite(products)) return {};
  return search(products, [&](std::int64_t column, float* out) {
    kernels::load_rows(right.slice(column, 1), 1.0f, out, products.depth, products.depth);
  });
}

void mend_overflows(const Products& products, const std::vector<Overflow>& found, float lowest) {
  for (const Overflow& one : found) {
    float value = std::numeric_limits<float>::infinity();
    if (one.product < -kLargest)
      value = lowest;
    else if (one.product <= kLargest)
      value = static_cast<float>(one.product);
    products.data[one.row * products.stride + one.column] = value;
  }
}

void stream_scores(const float* queries, std::int64_t rows, const kernels::RowSource& keys,
                   float lowest, float* scores, std::int64_t stride) {
  kernels::stream_scores(queries, rows, keys, scores, stride);
  const Products products{scores, stride, rows, keys.count, queries, keys.width};
  mend_overflows(products, find_overflows(products, keys), lowest);
}

}  // namespace subquad
