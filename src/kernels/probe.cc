#include "kernels/probe.h"

#include <limits>

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/probe.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/exp2-inl.h"

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

float WeighMissed(float* scores, int64_t columns, float m, const float* shares,
                  const int32_t* ids) {
  const D d;
  const hn::RebindToSigned<D> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V masked = hn::Set(d, -std::numeric_limits<float>::infinity()),
          inf = hn::Set(d, std::numeric_limits<float>::infinity()), top = hn::Set(d, 127.0f);
  for (int64_t k = columns; k % lanes != 0; ++k)
    scores[k] = -std::numeric_limits<float>::infinity();
  V sum = hn::Zero(d);
  for (int64_t k = 0; k < columns; k += lanes) {
    const V score = hn::Load(d, scores + k), x = hn::Sub(score, hn::Set(d, m));
    const V weight = hn::IfThenElse(hn::Lt(x, top), fast_exp2(d, x), inf);
    const V share = hn::GatherIndex(d, shares, hn::LoadU(di, ids + k));
    const V missed = hn::IfThenZeroElse(hn::Eq(score, masked), hn::Sub(weight, share));
    hn::Store(missed, d, scores + k);
    sum = hn::Add(sum, missed);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

HWY_INLINE float sum_of(const float* x, int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V sum = hn::Zero(d);
  int64_t k = 0;
  for (; k + lanes <= count; k += lanes) sum = hn::Add(sum, hn::LoadU(d, x + k));
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; k < count; ++k) total += x[k];
  return total;
}

float MissedSquare(const float* weights, int64_t keys, const float* values, const float* model,
                   int64_t value_dim) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const float share = sum_of(weights, keys) / model[value_dim];
  const V factor = hn::Set(d, share);
  V square = hn::Zero(d);
  int64_t c = 0;
  for (; c + lanes <= value_dim; c += lanes) {
    const V e = hn::NegMulAdd(factor, hn::LoadU(d, model + c), hn::LoadU(d, values + c));
    square = hn::MulAdd(e, e, square);
  }
  float total = hn::GetLane(hn::SumOfLanes(d, square));
  for (; c < value_dim; ++c) {
    const float e = values[c] - share * model[c];
    total += e * e;
  }
  return total;
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(WeighMissed);
HWY_EXPORT(MissedSquare);

float weigh_missed(float* scores, std::int64_t columns, float m, const float* shares,
                   const std::int32_t* ids) {
  return HWY_DYNAMIC_DISPATCH(WeighMissed)(scores, columns, m, shares, ids);
}

float missed_square(const float* weights, std::int64_t keys, const float* values,
                    const float* model, std::int64_t value_dim) {
  return HWY_DYNAMIC_DISPATCH(MissedSquare)(weights, keys, values, model, value_dim);
}

}  // namespace subquad::kernels
#endif
