#include "kernels/elementwise.h"

#include <cmath>

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/exp2-inl.h"

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Full vectors, then one lane at a time: the same operations whatever the width.
using D = hn::ScalableTag<float>;
using One = hn::CappedTag<float, 1>;

// erf(x) = sign(x) (1 - t (a1 + t (a2 + t (a3 + t (a4 + t a5)))) e^-x^2), t = 1 / (1 + p |x|):
// Abramowitz and Stegun, 7.1.26, error below 1.5e-7.
template <class Tag, class V = hn::Vec<Tag>>
HWY_INLINE V erf_of(Tag d, V x) {
  const V size = hn::Abs(x), one = hn::Set(d, 1.0f);
  const V t = hn::Div(one, hn::MulAdd(hn::Set(d, 0.3275911f), size, one));
  V p = hn::Set(d, 1.061405429f);
  p = hn::MulAdd(p, t, hn::Set(d, -1.453152027f));
  p = hn::MulAdd(p, t, hn::Set(d, 1.421413741f));
  p = hn::MulAdd(p, t, hn::Set(d, -0.284496736f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.254829592f));
  const V log2e = hn::Set(d, -1.44269504f);
  const V tail = fast_exp2(d, hn::Mul(hn::Mul(size, size), log2e));
  return hn::CopySign(hn::NegMulAdd(hn::Mul(p, t), tail, one), x);
}

template <class Tag>
HWY_INLINE void gelu_at(Tag d, float* x) {
  const auto value = hn::LoadU(d, x);
  const auto bell = erf_of(d, hn::Mul(value, hn::Set(d, 0.70710678f)));
  const auto half = hn::Mul(hn::Set(d, 0.5f), value);
  hn::StoreU(hn::MulAdd(half, bell, half), d, x);
}

void Gelu(float* x, int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes) gelu_at(d, x + c);
  for (; c < count; ++c) gelu_at(One(), x + c);
}

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

void AddTo(const float* x, int64_t count, float* out) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes)
    hn::StoreU(hn::Add(hn::LoadU(d, out + c), hn::LoadU(d, x + c)), d, out + c);
  for (; c < count; ++c) out[c] += x[c];
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(Gelu);
HWY_EXPORT(LayerNorm);
HWY_EXPORT(AddTo);

void gelu(float* x, std::int64_t count) { HWY_DYNAMIC_DISPATCH(Gelu)(x, count); }

void layer_norm(const float* x, const float* weight, const float* bias, float epsilon,
                std::int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(LayerNorm)(x, weight, bias, epsilon, count, out);
}

void add(const float* x, std::int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(AddTo)(x, count, out);
}

}  // namespace subquad::kernels
#endif
