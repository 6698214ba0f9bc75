#include "kernels/feature_map.h"

#include <numbers>

#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/feature_map.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/exp2-inl.h"

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// "Below 0" instead of a maximum: NaN stays.
HWY_INLINE V elu_plus_one(D d, V x) {
  const auto negative = hn::Lt(x, hn::Zero(d));
  const V log2e = hn::Set(d, std::numbers::log2e_v<float>);
  const V below = fast_exp2(d, hn::Mul(hn::IfThenElseZero(negative, x), log2e));
  return hn::IfThenElse(negative, below, hn::Add(x, hn::Set(d, 1.0f)));
}

HWY_INLINE V relu(D d, V x) { return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x); }

void MapFeatures(FeatureMap map, float factor, float* x, int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V scale = hn::Set(d, factor);
  for (int64_t n = 0; n < count; n += lanes) {
    V value = hn::LoadU(d, x + n);
    if (map == FeatureMap::elu) value = elu_plus_one(d, value);
    if (map == FeatureMap::relu) value = relu(d, value);
    hn::StoreU(hn::Mul(scale, value), d, x + n);
  }
}

// elu: phi' = min(phi, 1). relu: 1 where phi > 0; a NaN feature keeps its gradient, which is NaN.
void MultiplySlopes(FeatureMap map, float factor, const float* features, float* gradients,
                    int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V top = hn::Set(d, factor);
  for (int64_t n = 0; n < count; n += lanes) {
    const V feature = hn::LoadU(d, features + n);
    V slope = top;
    if (map == FeatureMap::elu) slope = hn::IfThenElse(hn::Gt(feature, top), top, feature);
    if (map == FeatureMap::relu) slope = hn::IfThenZeroElse(hn::Le(feature, hn::Zero(d)), top);
    hn::StoreU(hn::Mul(slope, hn::LoadU(d, gradients + n)), d, gradients + n);
  }
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(MapFeatures);
HWY_EXPORT(MultiplySlopes);

void map_features(FeatureMap map, float factor, float* x, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(MapFeatures)(map, factor, x, count);
}

void multiply_slopes(FeatureMap map, float factor, const float* features, float* gradients,
                     std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(MultiplySlopes)(map, factor, features, gradients, count);
}

}  // namespace subquad::kernels
#endif
