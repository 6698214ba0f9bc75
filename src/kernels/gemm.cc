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

// 32 vector registers hold 12 x 2 accumulators and the operands, 16 hold 6 x 2.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
constexpr int kRows = 12;
#else
constexpr int kRows = 6;
#endif

struct MicroArguments {
  LeftMatrix a;
  const float* b;
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
  const int64_t b_stride = arguments.b_stride;
  for (int64_t k = 0; k < arguments.depth; ++k, a += depth_stride, b += b_stride) {
    V column[W];
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) column[w] = hn::LoadU(d, b + w * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const V scalar = hn::Set(d, a[r * row_stride]);
#pragma GCC unroll 4
      for (int w = 0; w < W; ++w) sum[r][w] = hn::MulAdd(scalar, column[w], sum[r][w]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) {
      float* c = arguments.c + r * arguments.ldc + w * lanes;
      hn::StoreU(arguments.accumulate ? hn::Add(hn::LoadU(d, c), sum[r][w]) : sum[r][w], d, c);
    }
}

template <int W>
void micro_rows(int rows, const MicroArguments& arguments) {
  switch (rows) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
    case 12:
      return micro<12, W>(arguments);
#endif
    case 6:
      return micro<6, W>(arguments);
    case 3:
      return micro<3, W>(arguments);
    default:
      return micro<1, W>(arguments);
  }
}

// The largest register block that fits the rows left.
HWY_INLINE int next_rows(int64_t left) {
  if (left >= kRows) return kRows;
  return left >= 6 ? 6 : left >= 3 ? 3 : 1;
}

void Gemm(const LeftMatrix& a, const RightMatrix& b, int64_t rows, int64_t columns, int64_t depth,
          float* c, int64_t ldc, bool accumulate) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  const int64_t panel = 2 * lanes;
  for (int64_t r = 0; r < rows;) {
    const int block = next_rows(rows - r);
    for (int64_t column = 0; column < columns; column += panel) {
      const LeftMatrix a_block{a.data + r * a.row_stride, a.row_stride, a.depth_stride};
      const MicroArguments arguments{a_block,
                                     b.data + column / panel * b.panel_stride,
                                     b.depth_stride,
                                     depth,
                                     c + r * ldc + column,
                                     ldc,
                                     accumulate};
      if (columns - column > lanes) {
        micro_rows<2>(block, arguments);
      } else {
        micro_rows<1>(block, arguments);
      }
    }
    r += block;
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
