#include "kernels/gemm.h"

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// 32 vector registers hold 12 x 2 or 6 x 4 accumulators and the operands, 16 hold 6 x 2. 6 x 4
// loads 10 operands for 24 multiply-adds, 12 x 2 14, but twice as much of B, which wants a near
// cache.
constexpr bool kManyRegisters = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON;
constexpr int kRows = kManyRegisters ? 12 : 6;
constexpr int64_t kMaxWideDepth = 512;

struct MicroArguments {
  LeftMatrix a;
  const float* b;
  int64_t panel_stride;  // from two vectors of columns to the next two
  int64_t b_stride;
  int64_t depth;
  float* c;
  int64_t ldc;
  bool accumulate;
};

// R rows by W vectors of C, all in registers over the whole depth.
template <int R, int W>
HWY_INLINE void micro(const MicroArguments& arguments) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V sum[R][W];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) sum[r][w] = hn::Zero(d);

  const float* HWY_RESTRICT a = arguments.a.data;
  const float* HWY_RESTRICT b = arguments.b;
  const int64_t row_stride = arguments.a.row_stride, depth_stride = arguments.a.depth_stride;
  const int64_t b_stride = arguments.b_stride, panel_stride = arguments.panel_stride;
  for (int64_t k = 0; k < arguments.depth; ++k, a += depth_stride, b += b_stride) {
    V column[W];
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) column[w] = hn::LoadU(d, b + w / 2 * panel_stride + w % 2 * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const V scalar = hn::Set(d, a[r * row_stride]);
#pragma GCC unroll 4
      for (int w = 0; w < W; ++w) sum[r][w] = hn::MulAdd(scalar, column[w], sum[r][w]);
    }
  }
  float* HWY_RESTRICT c = arguments.c;
  const int64_t ldc = arguments.ldc;
  const bool accumulate = arguments.accumulate;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r, c += ldc)
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) {
      if (accumulate) sum[r][w] = hn::Add(hn::LoadU(d, c + w * lanes), sum[r][w]);
      hn::StoreU(sum[r][w], d, c + w * lanes);
    }
}

template <int W>
void micro_rows(int rows, const MicroArguments& arguments) {
  if constexpr (kManyRegisters && W <= 2)
    if (rows == 12) return micro<12, W>(arguments);
  switch (rows) {
    case 6:
      return micro<6, W>(arguments);
    case 3:
      return micro<3, W>(arguments);
    default:
      return micro<1, W>(arguments);
  }
}

void micro_block(int rows, int vectors, const MicroArguments& arguments) {
  if constexpr (kManyRegisters)
    if (vectors == 4) return micro_rows<4>(rows, arguments);
  if (vectors == 2) return micro_rows<2>(rows, arguments);
  micro_rows<1>(rows, arguments);
}

// The largest register block that fits the rows left.
HWY_INLINE int next_rows(int64_t left, int vectors) {
  if (left >= kRows && vectors <= 2) return kRows;
  return left >= 6 ? 6 : left >= 3 ? 3 : 1;
}

// The vectors of columns that fit those left.
HWY_INLINE int next_vectors(int64_t left, int64_t lanes, int64_t depth) {
  if (kManyRegisters && left > 3 * lanes && depth <= kMaxWideDepth) return 4;
  return left > lanes ? 2 : 1;
}

void Gemm(const LeftMatrix& a, const RightMatrix& b, int64_t rows, int64_t columns, int64_t depth,
          float* c, int64_t ldc, bool accumulate) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  MicroArguments arguments{a, b.data, b.panel_stride, b.depth_stride, depth, c, ldc, accumulate};
  for (int64_t column = 0; column < columns;) {
    const int vectors = next_vectors(columns - column, lanes, depth);
    arguments.b = b.data + column / (2 * lanes) * b.panel_stride;
    for (int64_t r = 0; r < rows;) {
      const int block = next_rows(rows - r, vectors);
      arguments.a.data = a.data + r * a.row_stride;
      arguments.c = c + r * ldc + column;
      micro_block(block, vectors, arguments);
      r += block;
    }
    column += vectors * lanes;
  }
}

Blocking GetBlocking() {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  return {lanes, 2 * lanes, kRows};
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(Gemm);
HWY_EXPORT(GetBlocking);

Blocking blocking() { return HWY_DYNAMIC_DISPATCH(GetBlocking)(); }

void gemm(const LeftMatrix& a, const RightMatrix& b, std::int64_t rows, std::int64_t columns,
          std::int64_t depth, float* c, std::int64_t ldc, bool accumulate) {
  HWY_DYNAMIC_DISPATCH(Gemm)(a, b, rows, columns, depth, c, ldc, accumulate);
}

}  // namespace subquad::kernels
#endif
