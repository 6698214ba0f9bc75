#include "kernels/softmax.h"

#include <cmath>
#include <limits>

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/exp2-inl.h"

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

HWY_INLINE float row_max(const float* scores, int64_t columns) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V top0 = hn::Load(d, scores), top1 = top0;
  int64_t c = lanes;
  for (; c + lanes < columns; c += 2 * lanes) {
    top0 = hn::Max(top0, hn::Load(d, scores + c));
    top1 = hn::Max(top1, hn::Load(d, scores + c + lanes));
  }
  if (c < columns) top0 = hn::Max(top0, hn::Load(d, scores + c));
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(top0, top1)));
}

// Weights in place; returns their sum.
HWY_INLINE float row_weights(float* scores, int64_t columns, float m) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V reference = hn::Set(d, m);
  V sum0 = hn::Zero(d), sum1 = sum0;
  int64_t c = 0;
  for (; c + lanes < columns; c += 2 * lanes) {
    const V w0 = fast_exp2(d, hn::Sub(hn::Load(d, scores + c), reference));
    const V w1 = fast_exp2(d, hn::Sub(hn::Load(d, scores + c + lanes), reference));
    hn::Store(w0, d, scores + c);
    hn::Store(w1, d, scores + c + lanes);
    sum0 = hn::Add(sum0, w0);
    sum1 = hn::Add(sum1, w1);
  }
  if (c < columns) {
    const V w = fast_exp2(d, hn::Sub(hn::Load(d, scores + c), reference));
    hn::Store(w, d, scores + c);
    sum0 = hn::Add(sum0, w);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
}

// -inf up to the next full vector, so that whole vectors can be read.
HWY_INLINE void mask_tail(float* scores, int64_t columns) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  for (int64_t c = columns; c % lanes != 0; ++c)
    scores[c] = -std::numeric_limits<float>::infinity();
}

void rescale(float* values, int64_t count, float factor) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V scale = hn::Set(d, factor);
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes)
    hn::StoreU(hn::Mul(hn::LoadU(d, values + c), scale), d, values + c);
  for (; c < count; ++c) values[c] *= factor;
}

void SoftmaxUpdate(float* scores, int64_t stride, int64_t rows, int64_t columns,
                   const RowSums& sums) {
  constexpr float kMasked = -std::numeric_limits<float>::infinity();
  for (int64_t r = 0; r < rows; ++r) {
    float* row = scores + r * stride;
    mask_tail(row, columns);
    const float top = row_max(row, columns);
    // A NaN maximum is kept: the row sees a NaN and must show it.
    if (!(top <= sums.m[r])) {
      const float factor = std::exp2(sums.m[r] - top);
      sums.l[r] *= factor;
      if (sums.m[r] != kMasked) rescale(sums.o + r * sums.o_stride, sums.value_dim, factor);
      sums.m[r] = top;
    }
    // All masked so far: any finite reference gives zero weights (and NaN for a hidden NaN score).
    const float reference = sums.m[r] == kMasked ? 0.0f : sums.m[r];
    sums.l[r] += row_weights(row, columns, reference);
    // A NaN that the maximum dropped: without this the row would look like the identity.
    if (sums.m[r] == kMasked && std::isnan(sums.l[r])) sums.m[r] = sums.l[r];
  }
}

void RowTops(float* scores, int64_t stride, int64_t rows, int64_t columns, float* tops) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t r = 0; r < rows; ++r) {
    float* row = scores + r * stride;
    mask_tail(row, columns);
    auto is_nan = hn::IsNaN(hn::Load(d, row));
    for (int64_t c = lanes; c < columns; c += lanes)
      is_nan = hn::Or(is_nan, hn::IsNaN(hn::Load(d, row + c)));
    tops[r] =
        hn::AllFalse(d, is_nan) ? row_max(row, columns) : std::numeric_limits<float>::quiet_NaN();
  }
}

float SumOfSeen(const float* scores, const float* amounts, int64_t columns) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V masked = hn::Set(d, -std::numeric_limits<float>::infinity());
  V sum = hn::Zero(d);
  for (int64_t c = 0; c < columns; c += lanes)
    sum = hn::Add(sum, hn::IfThenZeroElse(hn::Eq(hn::Load(d, scores + c), masked),
                                          hn::LoadU(d, amounts + c)));
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

void Exp2Rows(float* scores, int64_t stride, int64_t rows, int64_t columns, const float* m) {
  constexpr float kMasked = -std::numeric_limits<float>::infinity();
  for (int64_t r = 0; r < rows; ++r) {
    mask_tail(scores + r * stride, columns);
    row_weights(scores + r * stride, columns, m[r] == kMasked ? 0.0f : m[r]);
  }
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(SoftmaxUpdate);
HWY_EXPORT(RowTops);
HWY_EXPORT(SumOfSeen);
HWY_EXPORT(Exp2Rows);

void softmax_update(float* scores, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                    const RowSums& sums) {
  HWY_DYNAMIC_DISPATCH(SoftmaxUpdate)(scores, stride, rows, columns, sums);
}

void row_tops(float* scores, std::int64_t stride, std::int64_t rows, std::int64_t columns,
              float* tops) {
  HWY_DYNAMIC_DISPATCH(RowTops)(scores, stride, rows, columns, tops);
}

float sum_of_seen(const float* scores, const float* amounts, std::int64_t columns) {
  return HWY_DYNAMIC_DISPATCH(SumOfSeen)(scores, amounts, columns);
}

void exp2_rows(float* scores, std::int64_t stride, std::int64_t rows, std::int64_t columns,
               const float* m) {
  HWY_DYNAMIC_DISPATCH(Exp2Rows)(scores, stride, rows, columns, m);
}

}  // namespace subquad::kernels
#endif
