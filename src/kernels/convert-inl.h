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
    const hn::Rebind<hwy::float16_t, D> narrow;
    return hn::PromoteTo(d, hn::LoadU(narrow, reinterpret_cast<const hwy::float16_t*>(from)));
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
