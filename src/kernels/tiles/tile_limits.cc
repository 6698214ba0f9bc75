#include "kernels/tiles/tile_limits.h"

#include <limits>

#include "core/targets.h"
#include "kernels/tiles/tile_engine.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/tiles/tile_limits.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void StepTops(const float* scores, float sign, float* tops) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto factor = hn::Set(d, sign);
  const auto masked = hn::Set(d, -std::numeric_limits<float>::infinity());
  const auto limit = hn::Set(d, std::numeric_limits<float>::max());
  for (int64_t r = 0; r < kPanelRows; ++r) {
    auto top = masked;
    for (int64_t c = 0; c < kStepKeys; c += lanes) {
      const auto product = hn::Mul(factor, hn::Load(d, scores + r * kStepKeys + c));
      // Not above the limit: neither +inf nor NaN.
      top = hn::Max(top, hn::IfThenElse(hn::Le(product, limit), product, masked));
    }
    tops[r] = hn::GetLane(hn::MaxOfLanes(d, top));
  }
}

void SeenTops(const float* scores, const float* norms, float* tops) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto masked = hn::Set(d, -std::numeric_limits<float>::infinity());
  for (int64_t r = 0; r < kPanelRows; ++r) {
    auto top = hn::Set(d, tops[r]);
    for (int64_t c = 0; c < kStepKeys; c += lanes) {
      const auto hidden = hn::Eq(hn::Load(d, scores + r * kStepKeys + c), masked);
      top = hn::Max(top, hn::IfThenZeroElse(hidden, hn::Load(d, norms + c)));
    }
    tops[r] = hn::GetLane(hn::MaxOfLanes(d, top));
  }
}

bool AnyAbove(const uint16_t* bits, int64_t count, uint16_t limit) {
  const hn::CappedTag<int16_t, 32> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto* numbers = reinterpret_cast<const int16_t*>(bits);
  const auto magnitude = hn::Set(d, int16_t{0x7FFF});
  auto top = hn::Zero(d);
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes)
    top = hn::Max(top, hn::And(hn::LoadU(d, numbers + c), magnitude));
  bool above = !hn::AllFalse(d, hn::Gt(top, hn::Set(d, static_cast<int16_t>(limit))));
  for (; c < count; ++c) above |= (bits[c] & 0x7FFF) > limit;
  return above;
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(StepTops);
HWY_EXPORT(SeenTops);
HWY_EXPORT(AnyAbove);

void step_tops(const float* scores, float sign, float* tops) {
  HWY_DYNAMIC_DISPATCH(StepTops)(scores, sign, tops);
}
void seen_tops(const float* scores, const float* norms, float* tops) {
  HWY_DYNAMIC_DISPATCH(SeenTops)(scores, norms, tops);
}
bool any_above(const std::uint16_t* bits, std::int64_t count, std::uint16_t limit) {
  return HWY_DYNAMIC_DISPATCH(AnyAbove)(bits, count, limit);
}

}  // namespace subquad::kernels
#endif
