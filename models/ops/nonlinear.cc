#include "ops/nonlinear.h"

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/nonlinear.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/exp2-inl.h"

HWY_BEFORE_NAMESPACE();
namespace subquad::ops::HWY_NAMESPACE {
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
  const V tail = kernels::HWY_NAMESPACE::fast_exp2(d, hn::Mul(hn::Mul(size, size), log2e));
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

// x / (1 + e^-x). e^-|x| never overflows: for x < 0 the sigmoid is e^x / (1 + e^x).
template <class Tag, class V = hn::Vec<Tag>>
HWY_INLINE V silu_of(Tag d, V x) {
  const V one = hn::Set(d, 1.0f);
  const V power =
      kernels::HWY_NAMESPACE::fast_exp2(d, hn::Mul(hn::Abs(x), hn::Set(d, -1.44269504f)));
  const V sigmoid =
      hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), power, one), hn::Add(one, power));
  return hn::Mul(x, sigmoid);
}

template <class Tag>
HWY_INLINE void silu_gate_at(Tag d, const float* up, float* gate) {
  hn::StoreU(hn::Mul(silu_of(d, hn::LoadU(d, gate)), hn::LoadU(d, up)), d, gate);
}

void SiluGate(const float* up, int64_t count, float* gate) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes) silu_gate_at(d, up + c, gate + c);
  for (; c < count; ++c) silu_gate_at(One(), up + c, gate + c);
}

}  // namespace subquad::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::ops {

HWY_EXPORT(Gelu);
HWY_EXPORT(SiluGate);

void gelu(float* x, std::int64_t count) { HWY_DYNAMIC_DISPATCH(Gelu)(x, count); }

void silu_gate(const float* up, std::int64_t count, float* gate) {
  HWY_DYNAMIC_DISPATCH(SiluGate)(up, count, gate);
}

}  // namespace subquad::ops
#endif
