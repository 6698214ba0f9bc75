#include "kernels/backward.h"

#include <limits>

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/backward.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/exp2-inl.h"

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

HWY_INLINE void weight_row(float* scores, int64_t columns, float m) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V reference = hn::Set(d, m);
  const V masked = hn::Set(d, -std::numeric_limits<float>::infinity());
  const V minus_zero = hn::Set(d, -0.0f);
  for (int64_t c = 0; c < columns; c += lanes) {
    const V score = hn::LoadU(d, scores + c);
    const V weight = fast_exp2(d, hn::Sub(score, reference));
    hn::StoreU(hn::IfThenElse(hn::Eq(score, masked), minus_zero, weight), d, scores + c);
  }
}

void WeightRows(float* scores, int64_t stride, int64_t rows, int64_t columns, const float* m) {
  for (int64_t r = 0; r < rows; ++r) weight_row(scores + r * stride, columns, m[r]);
}

HWY_INLINE void score_gradient_row(const float* weights, float* gradients, int64_t columns,
                                   float offset) {
  const D d;
  const hn::RebindToUnsigned<D> bits;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V shift = hn::Set(d, offset);
  const auto minus_zero = hn::Set(bits, 0x80000000U);
  for (int64_t c = 0; c < columns; c += lanes) {
    const V weight = hn::LoadU(d, weights + c);
    const V gradient = hn::Mul(weight, hn::Add(hn::LoadU(d, gradients + c), shift));
    const auto masked = hn::RebindMask(d, hn::Eq(hn::BitCast(bits, weight), minus_zero));
    hn::StoreU(hn::IfThenZeroElse(masked, gradient), d, gradients + c);
  }
}

void ScoreGradientRows(const float* weights, float* gradients, int64_t stride, int64_t rows,
                       int64_t columns, const float* offset) {
  for (int64_t r = 0; r < rows; ++r)
    score_gradient_row(weights + r * stride, gradients + r * stride, columns, offset[r]);
}

HWY_INLINE float dot(const float* a, const float* b, int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V sums = hn::Zero(d);
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes)
    sums = hn::MulAdd(hn::LoadU(d, a + c), hn::LoadU(d, b + c), sums);
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; c < count; ++c) sum += a[c] * b[c];
  return sum;
}

void DotRows(const float* a, const float* b, int64_t rows, int64_t width, float* dots) {
  for (int64_t r = 0; r < rows; ++r) dots[r] = dot(a + r * width, b + r * width, width);
}

HWY_INLINE void add_row(const float* values, int64_t count, float factor, float* out) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V scale = hn::Set(d, factor);
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes)
    hn::StoreU(hn::MulAdd(scale, hn::LoadU(d, values + c), hn::LoadU(d, out + c)), d, out + c);
  for (; c < count; ++c) out[c] += factor * values[c];
}

void AddRows(const float* values, int64_t stride, int64_t rows, int64_t width, float factor,
             float* out, int64_t out_stride) {
  for (int64_t r = 0; r < rows; ++r)
    add_row(values + r * stride, width, factor, out + r * out_stride);
}

HWY_INLINE void prefetch_row(const float* row, int64_t width) {
  constexpr int64_t kLine = 16;  // floats
  for (int64_t c = 0; c < width; c += kLine) __builtin_prefetch(row + c, 1);
}

void ScatterRows(const float* values, int64_t stride, const int32_t* ids, int64_t rows,
                 int64_t width, float factor, float* out, int64_t out_stride) {
  constexpr int64_t kAhead = 8;  // rows: what comes from memory arrives in time
  for (int64_t r = 0; r < rows; ++r) {
    if (r + kAhead < rows) prefetch_row(out + ids[r + kAhead] * out_stride, width);
    add_row(values + r * stride, width, factor, out + ids[r] * out_stride);
  }
}

void AddOuter(const float* factors, const float* weights, int64_t stride, int64_t rows,
              int64_t columns, const float* vectors, int64_t width, float* out,
              int64_t out_stride) {
  for (int64_t c = 0; c < columns; ++c)
    for (int64_t r = 0; r < rows; ++r)
      if (!is_masked(weights[r * stride + c]))
        add_row(vectors + r * width, width, factors[r * stride + c], out + c * out_stride);
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(WeightRows);
HWY_EXPORT(ScoreGradientRows);
HWY_EXPORT(DotRows);
HWY_EXPORT(AddRows);
HWY_EXPORT(ScatterRows);
HWY_EXPORT(AddOuter);

void weight_rows(float* scores, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                 const float* m) {
  HWY_DYNAMIC_DISPATCH(WeightRows)(scores, stride, rows, columns, m);
}

void score_gradient_rows(const float* weights, float* gradients, std::int64_t stride,
                         std::int64_t rows, std::int64_t columns, const float* offset) {
  HWY_DYNAMIC_DISPATCH(ScoreGradientRows)(weights, gradients, stride, rows, columns, offset);
}

void dot_rows(const float* a, const float* b, std::int64_t rows, std::int64_t width, float* dots) {
  HWY_DYNAMIC_DISPATCH(DotRows)(a, b, rows, width, dots);
}

void add_rows(const float* values, std::int64_t stride, std::int64_t rows, std::int64_t width,
              float factor, float* out, std::int64_t out_stride) {
  HWY_DYNAMIC_DISPATCH(AddRows)(values, stride, rows, width, factor, out, out_stride);
}

void scatter_rows(const float* values, std::int64_t stride, const std::int32_t* ids,
                  std::int64_t rows, std::int64_t width, float factor, float* out,
                  std::int64_t out_stride) {
  HWY_DYNAMIC_DISPATCH(ScatterRows)(values, stride, ids, rows, width, factor, out, out_stride);
}

void add_outer(const float* factors, const float* weights, std::int64_t stride, std::int64_t rows,
               std::int64_t columns, const float* vectors, std::int64_t width, float* out,
               std::int64_t out_stride) {
  HWY_DYNAMIC_DISPATCH(AddOuter)
  (factors, weights, stride, rows, columns, vectors, width, out, out_stride);
}

}  // namespace subquad::kernels
#endif
