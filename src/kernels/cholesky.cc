#include "kernels/cholesky.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/memory.h"
#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cholesky.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// Both algorithms look left: a block of rows takes everything above it in one product whose sums
// stay in registers, then the few rows settle among themselves.
HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<double>;
using V = hn::Vec<D>;

// 32 vector registers hold 12 x 2 accumulators and the operands, 16 hold 6 x 2.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
constexpr int kRows = 12;
#else
constexpr int kRows = 6;
#endif

HWY_INLINE int64_t panel_width() { return 2 * static_cast<int64_t>(hn::Lanes(D())); }

// Element (r, k) at data[r * row_stride + k * depth_stride].
struct Left {
  const double* data;
  int64_t row_stride;
  int64_t depth_stride;

  double operator()(int64_t r, int64_t k) const { return data[r * row_stride + k * depth_stride]; }
};

// A row-major matrix read or written in whole vectors.
struct Rows {
  double* data;
  int64_t stride;
};

// c -= a b: R rows by one panel of c, in registers over the whole depth.
template <int R>
HWY_INLINE void subtract_product(const Left& left, const Rows& b, int64_t depth, const Rows& c) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V sum[R][2];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    sum[r][0] = hn::LoadU(d, c.data + r * c.stride);
    sum[r][1] = hn::LoadU(d, c.data + r * c.stride + lanes);
  }
  const double* a = left.data;
  const double* row = b.data;
  const int64_t row_stride = left.row_stride, depth_stride = left.depth_stride;
  const int64_t b_stride = b.stride;
  for (int64_t k = 0; k < depth; ++k, a += depth_stride, row += b_stride) {
    const V b0 = hn::LoadU(d, row), b1 = hn::LoadU(d, row + lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const V factor = hn::Set(d, a[r * row_stride]);
      sum[r][0] = hn::NegMulAdd(factor, b0, sum[r][0]);
      sum[r][1] = hn::NegMulAdd(factor, b1, sum[r][1]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    hn::StoreU(sum[r][0], d, c.data + r * c.stride);
    hn::StoreU(sum[r][1], d, c.data + r * c.stride + lanes);
  }
}

// The largest register block that fits the rows left.
HWY_INLINE int next_rows(int64_t left) {
  if (left >= kRows) return kRows;
  return left >= 6 ? 6 : left >= 3 ? 3 : 1;
}

void subtract_rows(int rows, const Left& a, const Rows& b, int64_t depth, const Rows& c) {
  switch (rows) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
    case 12:
      return subtract_product<12>(a, b, depth, c);
#endif
    case 6:
      return subtract_product<6>(a, b, depth, c);
    case 3:
      return subtract_product<3>(a, b, depth, c);
    default:
      return subtract_product<1>(a, b, depth, c);
  }
}

// x *= factor and y -= factor * x over a whole number of vectors.
HWY_INLINE void scale(double* x, int64_t count, double factor) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V factors = hn::Set(d, factor);
  for (int64_t c = 0; c < count; c += lanes)
    hn::StoreU(hn::Mul(hn::LoadU(d, x + c), factors), d, x + c);
}

HWY_INLINE void subtract_scaled(double factor, const double* x, int64_t count, double* y) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V factors = hn::Set(d, factor);
  for (int64_t c = 0; c < count; c += lanes)
    hn::StoreU(hn::NegMulAdd(factors, hn::LoadU(d, x + c), hn::LoadU(d, y + c)), d, y + c);
}

// The rows [first, first + rows) of the upper factor, once the rows above are taken off.
bool factor_rows(const Rows& u, int64_t width, int64_t first, int rows) {
  const int64_t from = first / panel_width() * panel_width();
  for (int64_t r = first; r < first + rows; ++r) {
    double* row = u.data + r * u.stride;
    const double pivot = row[r];
    if (!(pivot > 0) || !std::isfinite(pivot)) return false;
    scale(row + from, width - from, 1 / std::sqrt(pivot));
    for (int64_t below = r + 1; below < first + rows; ++below)
      subtract_scaled(row[below], row + from, width - from, u.data + below * u.stride + from);
  }
  return true;
}

// Upper triangle of u (n rows, `width` columns: n and zeros up to a whole panel) := U, U^T U = u.
// What lies left of the diagonal is scratch.
bool FactorUpper(double* data, int64_t n, int64_t width, int64_t stride) {
  const Rows u{data, stride};
  const int64_t panel = panel_width();
  for (int64_t i = 0; i < n;) {
    const int rows = next_rows(n - i);
    const Left above{data + i, 1, stride};
    for (int64_t c = i / panel * panel; c < width; c += panel)
      subtract_rows(rows, above, {data + c, stride}, i, {data + i * stride + c, stride});
    if (!factor_rows(u, width, i, rows)) return false;
    i += rows;
  }
  return true;
}

// x := l^-1 x for one panel of columns and l lower triangular.
void solve_panel(const Left& l, int64_t n, const Rows& x) {
  const int64_t panel = panel_width();
  for (int64_t i = 0; i < n;) {
    const int rows = next_rows(n - i);
    const Left left{l.data + i * l.row_stride, l.row_stride, l.depth_stride};
    subtract_rows(rows, left, x, i, {x.data + i * x.stride, x.stride});
    for (int64_t r = i; r < i + rows; ++r) {
      scale(x.data + r * x.stride, panel, 1 / l(r, r));
      for (int64_t below = r + 1; below < i + rows; ++below)
        subtract_scaled(l(below, r), x.data + r * x.stride, panel, x.data + below * x.stride);
    }
    i += rows;
  }
}

// Moves `width` columns of n rows; strides in doubles.
void copy_columns(const double* from, int64_t from_stride, int64_t n, int64_t width, double* to,
                  int64_t to_stride) {
  for (int64_t i = 0; i < n; ++i)
    std::memcpy(to + i * to_stride, from + i * from_stride,
                sizeof(double) * static_cast<size_t>(width));
}

// L^-T is a lower solve too, with rows and columns counted from the last one.
void Solve(const double* l, int64_t n, int64_t stride, bool transposed, double* b, int64_t columns,
           int64_t b_stride) {
  const int64_t panel = panel_width();
  Scratch<double> scratch(n * panel);
  std::fill_n(scratch.data(), n * panel, 0.0);
  const int64_t last = n - 1;
  const Left left = transposed ? Left{l + last * stride + last, -1, -stride} : Left{l, stride, 1};
  const Rows x =
      transposed ? Rows{scratch.data() + last * panel, -panel} : Rows{scratch.data(), panel};
  for (int64_t c = 0; c < columns; c += panel) {
    const int64_t width = std::min(panel, columns - c);
    copy_columns(b + c, b_stride, n, width, scratch.data(), panel);
    solve_panel(left, n, x);
    copy_columns(scratch.data(), panel, n, width, b + c, b_stride);
  }
}

int64_t PanelWidth() { return panel_width(); }

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {
namespace {

HWY_EXPORT(FactorUpper);
HWY_EXPORT(Solve);
HWY_EXPORT(PanelWidth);

// upper(j, i) = lower(i, j) or back, for j <= i, in tiles that the first-level cache holds.
template <typename Move>
void for_triangle(std::int64_t n, const Move& move) {
  constexpr std::int64_t kTile = 16;
  for (std::int64_t i0 = 0; i0 < n; i0 += kTile)
    for (std::int64_t j0 = 0; j0 <= i0; j0 += kTile)
      for (std::int64_t i = i0; i < std::min(i0 + kTile, n); ++i)
        for (std::int64_t j = j0; j < std::min(j0 + kTile, i + 1); ++j) move(i, j);
}

}  // namespace

// The kernel works on the upper triangle: there its vectors run along rows.
bool cholesky(double* a, std::int64_t n, std::int64_t stride) {
  const std::int64_t panel = HWY_DYNAMIC_DISPATCH(PanelWidth)();
  const std::int64_t width = (n + panel - 1) / panel * panel;
  const std::int64_t u_stride = width + 8;  // off the powers of two, which share cache sets
  Scratch<double> scratch(n * u_stride);
  double* u = scratch.data();
  std::fill_n(u, n * u_stride, 0.0);
  for_triangle(n, [&](std::int64_t i, std::int64_t j) { u[j * u_stride + i] = a[i * stride + j]; });
  if (!HWY_DYNAMIC_DISPATCH(FactorUpper)(u, n, width, u_stride)) return false;
  for_triangle(n, [&](std::int64_t i, std::int64_t j) { a[i * stride + j] = u[j * u_stride + i]; });
  return true;
}

void solve_lower(const double* l, std::int64_t n, std::int64_t stride, double* b,
                 std::int64_t columns, std::int64_t b_stride) {
  HWY_DYNAMIC_DISPATCH(Solve)(l, n, stride, false, b, columns, b_stride);
}

void solve_lower_transposed(const double* l, std::int64_t n, std::int64_t stride, double* b,
                            std::int64_t columns, std::int64_t b_stride) {
  HWY_DYNAMIC_DISPATCH(Solve)(l, n, stride, true, b, columns, b_stride);
}

}  // namespace subquad::kernels
#endif
