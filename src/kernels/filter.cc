#include "kernels/filter.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/logits.h"
#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/filter.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using Ids = hn::RebindToSigned<D>;

constexpr float kMasked = -std::numeric_limits<float>::infinity();
using logits::kPlain;
using logits::kSlope;

// scores[c] = vector_step(scores, c) on whole vectors, scalar_step on the rest.
template <class VectorStep, class ScalarStep>
HWY_INLINE void for_row(float* scores, int64_t count, const VectorStep& vector_step,
                        const ScalarStep& scalar_step) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes)
    hn::StoreU(vector_step(hn::LoadU(d, scores + c), c), d, scores + c);
  for (; c < count; ++c) scores[c] = scalar_step(scores[c], c);
}

// As a vector does it: whether an entry lies in the last, part vector must not show in its bits.
HWY_INLINE float mul_add(float a, float b, float c) {
  const hn::CappedTag<float, 1> d;
  return hn::GetLane(hn::MulAdd(hn::Set(d, a), hn::Set(d, b), hn::Set(d, c)));
}

void ApplyBooleanMask(float* scores, const uint8_t* mask, int64_t count) {
  const D d;
  const Ids di;
  const hn::Rebind<uint8_t, D> bytes;
  for_row(
      scores, count,
      [&](hn::Vec<D> s, int64_t c) HWY_ATTR {
        const auto wide = hn::PromoteTo(di, hn::LoadU(bytes, mask + c));
        const auto masked = hn::RebindMask(d, hn::Eq(wide, hn::Zero(di)));
        return hn::IfThenElse(masked, hn::Set(d, kMasked), s);
      },
      [&](float s, int64_t c) { return mask[c] != 0 ? s : kMasked; });
}

void ApplyAdditiveMask(float* scores, const float* mask, int64_t count) {
  const D d;
  for_row(
      scores, count,
      [&](hn::Vec<D> s, int64_t c) HWY_ATTR {
        const auto add = hn::LoadU(d, mask + c);
        const auto plain = hn::Max(hn::Min(add, hn::Set(d, kPlain)), hn::Set(d, -kPlain));
        const auto sum = hn::MulAdd(plain, hn::Set(d, std::numbers::log2e_v<float>), s);
        const auto whole = hn::MulAdd(hn::Sub(add, plain), hn::Set(d, kSlope), sum);
        return hn::IfThenElse(hn::Eq(add, hn::Set(d, kMasked)), add, whole);
      },
      [&](float s, int64_t c) HWY_ATTR {
        if (mask[c] == kMasked) return kMasked;
        const float plain = std::clamp(mask[c], -kPlain, kPlain);
        const float sum = mul_add(plain, std::numbers::log2e_v<float>, s);
        return mul_add(mask[c] - plain, kSlope, sum);
      });
}

// 0 * x is NaN unless x is finite. Four sums, so that none waits for the one before.
HWY_INLINE bool finite_row(const float* scores, int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto zero = hn::Zero(d);
  auto a = zero, b = zero, e = zero, f = zero;
  int64_t c = 0;
  for (; c + 4 * lanes <= count; c += 4 * lanes) {
    a = hn::MulAdd(hn::LoadU(d, scores + c), zero, a);
    b = hn::MulAdd(hn::LoadU(d, scores + c + lanes), zero, b);
    e = hn::MulAdd(hn::LoadU(d, scores + c + 2 * lanes), zero, e);
    f = hn::MulAdd(hn::LoadU(d, scores + c + 3 * lanes), zero, f);
  }
  for (; c + lanes <= count; c += lanes) a = hn::MulAdd(hn::LoadU(d, scores + c), zero, a);
  float tail = 0;
  for (; c < count; ++c) tail += 0.0f * scores[c];
  const auto sum = hn::Add(hn::Add(a, b), hn::Add(e, f));
  return hn::AllTrue(d, hn::Eq(sum, zero)) && tail == 0.0f;
}

bool FiniteScores(const float* scores, int64_t stride, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r)
    if (!finite_row(scores + r * stride, columns)) return false;
  return true;
}

// Magnitudes in the order of their bits, where NaN comes last.
bool Within(const float* x, int64_t count, float limit) {
  const D d;
  const hn::RebindToUnsigned<D> du;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto bits = [&](int64_t c)
                        HWY_ATTR { return hn::BitCast(du, hn::Abs(hn::LoadU(d, x + c))); };
  auto a = hn::Zero(du), b = a;
  int64_t c = 0;
  for (; c + 2 * lanes <= count; c += 2 * lanes) {
    a = hn::Max(a, bits(c));
    b = hn::Max(b, bits(c + lanes));
  }
  const auto top = hn::BitCast(d, hn::Max(a, b));
  bool tail = true;
  for (; c < count; ++c) tail &= std::abs(x[c]) <= limit;
  return hn::AllTrue(d, hn::Le(top, hn::Set(d, limit))) && tail;
}

void ScaleScores(float* scores, float factor, int64_t count) {
  const D d;
  for_row(
      scores, count, [&](hn::Vec<D> s, int64_t) HWY_ATTR { return hn::Mul(s, hn::Set(d, factor)); },
      [&](float s, int64_t) { return s * factor; });
}

void AddBias(float* scores, const float* bias, int64_t count) {
  const D d;
  for_row(
      scores, count,
      [&](hn::Vec<D> s, int64_t c) HWY_ATTR { return hn::Add(s, hn::LoadU(d, bias + c)); },
      [&](float s, int64_t c) { return s + bias[c]; });
}

// -inf where (begin <= ids[c] < end) == inside.
template <bool inside>
void mask_range(float* scores, const int32_t* ids, int64_t count, int32_t begin, int32_t end) {
  const D d;
  const Ids di;
  for_row(
      scores, count,
      [&](hn::Vec<D> s, int64_t c) HWY_ATTR {
        const auto id = hn::LoadU(di, ids + c);
        const auto in = hn::AndNot(hn::Lt(id, hn::Set(di, begin)), hn::Lt(id, hn::Set(di, end)));
        const auto in_range = hn::RebindMask(d, in);
        const auto masked = hn::Set(d, kMasked);
        return inside ? hn::IfThenElse(in_range, masked, s) : hn::IfThenElse(in_range, s, masked);
      },
      [&](float s, int64_t c) {
        const bool in_range = ids[c] >= begin && ids[c] < end;
        return in_range == inside ? kMasked : s;
      });
}

void MaskOutside(float* scores, const int32_t* ids, int64_t count, int32_t begin, int32_t end) {
  mask_range<false>(scores, ids, count, begin, end);
}

void MaskInside(float* scores, const int32_t* ids, int64_t count, int32_t begin, int32_t end) {
  mask_range<true>(scores, ids, count, begin, end);
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(ApplyBooleanMask);
HWY_EXPORT(ApplyAdditiveMask);
HWY_EXPORT(FiniteScores);
HWY_EXPORT(Within);
HWY_EXPORT(ScaleScores);
HWY_EXPORT(AddBias);
HWY_EXPORT(MaskOutside);
HWY_EXPORT(MaskInside);

void apply_boolean_mask(float* scores, const std::uint8_t* mask, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(ApplyBooleanMask)(scores, mask, count);
}
void apply_additive_mask(float* scores, const float* mask, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(ApplyAdditiveMask)(scores, mask, count);
}
bool finite_scores(const float* scores, std::int64_t stride, std::int64_t rows,
                   std::int64_t columns) {
  return HWY_DYNAMIC_DISPATCH(FiniteScores)(scores, stride, rows, columns);
}
bool within(const float* x, std::int64_t count, float limit) {
  return HWY_DYNAMIC_DISPATCH(Within)(x, count, limit);
}
void scale_scores(float* scores, float factor, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(ScaleScores)(scores, factor, count);
}
void add_bias(float* scores, const float* bias, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(AddBias)(scores, bias, count);
}
void mask_outside(float* scores, const std::int32_t* ids, std::int64_t count, std::int32_t begin,
                  std::int32_t end) {
  HWY_DYNAMIC_DISPATCH(MaskOutside)(scores, ids, count, begin, end);
}
void mask_inside(float* scores, const std::int32_t* ids, std::int64_t count, std::int32_t begin,
                 std::int32_t end) {
  HWY_DYNAMIC_DISPATCH(MaskInside)(scores, ids, count, begin, end);
}

}  // namespace subquad::kernels
#endif
