// Vector loads of f32, bf16 and f16 as f32; one set for each target.
#if defined(SUBQUAD_CONVERT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SUBQUAD_CONVERT_INL_H_
#undef SUBQUAD_CONVERT_INL_H_
#else
#define SUBQUAD_CONVERT_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/half.h"
#include "subquad/tensor.h"

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Storage element of a DType: reads one value or a vector as f32.
struct F32 {
  using Bits = float;
  static float one(Bits bits) { return bits; }
  template <class D>
  static HWY_INLINE hn::Vec<D> load(D d, const Bits* from) {
    return hn::LoadU(d, from);
  }
};
struct BF16 {
  using Bits = uint16_t;
  static float one(Bits bits) { return bf16_to_f32(bits); }
  template <class D>
  static HWY_INLINE hn::Vec<D> load(D d, const Bits* from) {
    const hn::Rebind<uint16_t, D> narrow;
    const hn::RebindToUnsigned<D> wide;
    return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(wide, hn::LoadU(narrow, from))));
  }
};
struct F16 {
  using Bits = uint16_t;
  static float one(Bits bits) { return f16_to_f32(bits); }
  template <class D>
  static HWY_INLINE hn::Vec<D> load(D d, const Bits* from) {
#if HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SCALAR
    // Without a conversion instruction, Highway's own emulation turns Inf and NaN into numbers.
    const hn::Rebind<uint16_t, D> narrow;
    const hn::RebindToSigned<D> di;
    const auto bits = hn::PromoteTo(di, hn::LoadU(narrow, from));
    const auto magnitude = hn::And(bits, hn::Set(di, 0x7FFF));
    const auto sign = hn::ShiftLeft<16>(hn::Sub(bits, magnitude));
    const auto shifted = hn::ShiftLeft<13>(magnitude);
    // 2^112 rescales the exponent, normal and subnormal alike.
    const auto finite = hn::BitCast(di, hn::Mul(hn::BitCast(d, shifted), hn::Set(d, 0x1p112f)));
    const auto wild = hn::Or(shifted, hn::Set(di, 0x7F800000));
    const auto is_wild = hn::Gt(magnitude, hn::Set(di, 0x7BFF));
    return hn::BitCast(d, hn::Or(sign, hn::IfThenElse(is_wild, wild, finite)));
#else
    const hn::Rebind<hwy::float16_t, D> narrow;
    return hn::PromoteTo(d, hn::LoadU(narrow, reinterpret_cast<const hwy::float16_t*>(from)));
#endif
  }
};

// Calls function(F32() | BF16() | F16()).
template <class Function>
HWY_INLINE auto with_storage(DType dtype, const Function& function) {
  switch (dtype) {
    case DType::bf16:
      return function(BF16());
    case DType::f16:
      return function(F16());
    default:
      return function(F32());
  }
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
