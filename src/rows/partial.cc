#include "rows/partial.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace subquad {
namespace {

constexpr float kIdentity = -std::numeric_limits<float>::infinity();

void merge_row(const Partial& a, const Partial& b, std::int64_t r) {
  if (b.m[r] == kIdentity) return;
  float* to = a.o + r * a.o_stride;
  const float* from = b.o + r * b.o_stride;
  if (a.m[r] == kIdentity) {
    a.m[r] = b.m[r];
    a.l[r] = b.l[r];
    std::copy_n(from, a.value_dim, to);
    return;
  }
  // std::max would drop a NaN on one side.
  const float top = a.m[r] >= b.m[r] || std::isnan(a.m[r]) ? a.m[r] : b.m[r];
  const float scale_a = std::exp2(a.m[r] - top);
  const float scale_b = std::exp2(b.m[r] - top);
  a.m[r] = top;
  a.l[r] = a.l[r] * scale_a + b.l[r] * scale_b;
  for (std::int64_t c = 0; c < a.value_dim; ++c) to[c] = to[c] * scale_a + from[c] * scale_b;
}

}  // namespace

void set_identity(const Partial& partial) {
  std::fill_n(partial.m, partial.rows, kIdentity);
  std::fill_n(partial.l, partial.rows, 0.0f);
  std::fill_n(partial.o, partial.rows * partial.o_stride, 0.0f);
}

void copy_partial(const Partial& from, const Partial& to) {
  std::copy_n(from.m, from.rows, to.m);
  std::copy_n(from.l, from.rows, to.l);
  for (std::int64_t r = 0; r < from.rows; ++r)
    std::copy_n(from.o + r * from.o_stride, from.value_dim, to.o + r * to.o_stride);
}

void merge_into(const Partial& a, const Partial& b) {
  for (std::int64_t r = 0; r < a.rows; ++r) merge_row(a, b, r);
}

void merge_tree(Partial* parts, std::int64_t count) {
  for (std::int64_t step = 1; step < count; step *= 2)
    for (std::int64_t i = 0; i + step < count; i += 2 * step) merge_into(parts[i], parts[i + step]);
}

PartialBuffer::PartialBuffer(std::int64_t rows, std::int64_t value_dim)
    : value_dim_(value_dim),
      o_stride_(padded_values(value_dim)),
      m_(rows),
      l_(rows),
      o_(rows * o_stride_) {}

Partial PartialBuffer::view(std::int64_t rows) {
  return {m_.data(), l_.data(), o_.data(), rows, value_dim_, o_stride_};
}

void merge_signed(const Partial& main, Partial part, float sign) {
  part.value_dim -= 1;
  for (std::int64_t r = 0; r < part.rows; ++r) {
    float* o = part.o + r * part.o_stride;
    part.l[r] = sign * o[part.value_dim];
    for (std::int64_t d = 0; sign < 0 && d < part.value_dim; ++d) o[d] = -o[d];
  }
  merge_into(main, part);
}

}  // namespace subquad
