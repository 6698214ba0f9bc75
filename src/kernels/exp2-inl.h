// exp2 of f32 vectors for softmax weights.
#if defined(SUBQUAD_EXP2_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SUBQUAD_EXP2_INL_H_
#undef SUBQUAD_EXP2_INL_H_
#else
#define SUBQUAD_EXP2_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// 2^x for x <= 0 or a little above (x < 127): relative error below 2e-7, zero below 2^-126 (so
// exp2(-inf) = 0), NaN for NaN. Adding 1.5 * 2^23 + 127 rounds x to a whole number and leaves that
// number plus the exponent bias in the low bits; a degree 5 minimax polynomial does the fraction.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V fast_exp2(D d, V x) {
  const auto magic = hn::Set(d, 12582912.0f + 127.0f);
  const auto shifted = hn::Add(x, magic);
  const auto fraction = hn::Sub(x, hn::Sub(shifted, magic));
  auto p = hn::Set(d, 1.3264727e-3f);
  p = hn::MulAdd(p, fraction, hn::Set(d, 9.6715131e-3f));
  p = hn::MulAdd(p, fraction, hn::Set(d, 5.5507337e-2f));
  p = hn::MulAdd(p, fraction, hn::Set(d, 2.4022242e-1f));
  p = hn::MulAdd(p, fraction, hn::Set(d, 6.9314698e-1f));
  p = hn::MulAdd(p, fraction, hn::Set(d, 1.0f));
  const hn::RebindToUnsigned<D> bits;
  const auto power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(bits, shifted)));
  // "not below" instead of "at least": NaN stays.
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -126.0f)), hn::Mul(p, power));
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
