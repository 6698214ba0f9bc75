#include "ops/norm.h"

#include <cmath>

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/norm.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace subquad::ops::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Full vectors, then one lane at a time: the same operations whatever the width.
using D = hn::ScalableTag<float>;
using One = hn::CappedTag<float, 1>;

// sum (x - center)^power, power 1 or 2.
template <int power>
HWY_INLINE float sum_about(const float* x, float center, int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto sum = hn::Zero(d);
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes) {
    const auto e = hn::Sub(hn::LoadU(d, x + c), hn::Set(d, center));
    sum = power == 1 ? hn::Add(sum, e) : hn::MulAdd(e, e, sum);
  }
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; c < count; ++c) total += power == 1 ? x[c] - center : (x[c] - center) * (x[c] - center);
  return total;
}

struct Affine {
  float center, factor;
  const float* weight;
  const float* bias;
};

template <class Tag>
HWY_INLINE void affine_at(Tag d, const float* x, const Affine& map, int64_t c, float* out) {
  const auto e =
      hn::Mul(hn::Sub(hn::LoadU(d, x + c), hn::Set(d, map.center)), hn::Set(d, map.factor));
  hn::StoreU(hn::MulAdd(e, hn::LoadU(d, map.weight + c), hn::LoadU(d, map.bias + c)), d, out + c);
}

void LayerNorm(const float* x, const float* weight, const float* bias, float epsilon, int64_t count,
               float* out) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const float size = static_cast<float>(count);
  const float mean = sum_about<1>(x, 0, count) / size;
  const float variance = sum_about<2>(x, mean, count) / size;
  const Affine map{mean, 1 / std::sqrt(variance + epsilon), weight, bias};
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes) affine_at(d, x, map, c, out);
  for (; c < count; ++c) affine_at(One(), x, map, c, out);
}

// The mean of x^2.
HWY_INLINE float mean_square(const float* x, int64_t count) {
  return sum_about<2>(x, 0, count) / static_cast<float>(count);
}

template <class Tag>
HWY_INLINE void scaled_at(Tag d, const float* x, float factor, const float* weight, float* out) {
  hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, x), hn::Set(d, factor)), hn::LoadU(d, weight)), d, out);
}

void RmsNorm(const float* x, const float* weight, float epsilon, int64_t count, float* out) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const float factor = 1 / std::sqrt(mean_square(x, count) + epsilon);
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes) scaled_at(d, x + c, factor, weight + c, out + c);
  for (; c < count; ++c) scaled_at(One(), x + c, factor, weight + c, out + c);
}

}  // namespace subquad::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::ops {

HWY_EXPORT(LayerNorm);
HWY_EXPORT(RmsNorm);

void layer_norm(const float* x, const float* weight, const float* bias, float epsilon,
                std::int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(LayerNorm)(x, weight, bias, epsilon, count, out);
}

void rms_norm(const float* x, const float* weight, float epsilon, std::int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(RmsNorm)(x, weight, epsilon, count, out);
}

}  // namespace subquad::ops
#endif
