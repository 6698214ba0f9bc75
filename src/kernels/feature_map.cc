#include "kernels/feature_map.h"

#include <algorithm>
#include <numbers>

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/feature_map.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/convert-inl.h"
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
  const V below = fast_exp2(d, hn::Mul(x, log2e));  // of no use where x is large, and not used
  return hn::IfThenElse(negative, below, hn::Add(x, hn::Set(d, 1.0f)));
}

HWY_INLINE V relu(D d, V x) { return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x); }

// A row's last channels, fewer than a vector, and zeros behind them.
template <class Storage>
HWY_INLINE V load_tail(D d, const typename Storage::Bits* from, int64_t count) {
  HWY_ALIGN float values[hn::MaxLanes(d)] = {};
  for (int64_t c = 0; c < count; ++c) values[c] = Storage::one(from[c]);
  return hn::Load(d, values);
}

template <FeatureMap kMap, class Storage>
void load_mapped(const RowSource& source, float factor, float* out, int64_t stride, int64_t padded,
                 float* sums) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V scale = hn::Set(d, factor);
  for (int64_t j = 0; j < source.count; ++j) {
    const auto* from = static_cast<const typename Storage::Bits*>(source.row(j));
    float* row = out + j * stride;
    int64_t c = 0;
    for (; c < source.width; c += lanes) {
      const int64_t left = source.width - c;
      V x = left >= lanes ? Storage::load(d, from + c) : load_tail<Storage>(d, from + c, left);
      if constexpr (kMap == FeatureMap::elu) x = elu_plus_one(d, x);
      if constexpr (kMap == FeatureMap::relu) x = relu(d, x);
      x = hn::Mul(scale, x);
      hn::StoreU(x, d, row + c);
      if (sums != nullptr) hn::StoreU(hn::Add(hn::LoadU(d, sums + c), x), d, sums + c);
    }
    std::fill(row + c, row + padded, 0.0f);
  }
}

void LoadFeatures(const RowSource& source, FeatureMap map, float factor, float* out, int64_t stride,
                  int64_t padded, float* sums) {
  with_storage(source.dtype, [&](auto storage) HWY_ATTR {
    using Storage = decltype(storage);
    switch (map) {
      case FeatureMap::elu:
        return load_mapped<FeatureMap::elu, Storage>(source, factor, out, stride, padded, sums);
      case FeatureMap::relu:
        return load_mapped<FeatureMap::relu, Storage>(source, factor, out, stride, padded, sums);
      default:
        return load_mapped<FeatureMap::none, Storage>(source, factor, out, stride, padded, sums);
    }
  });
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

HWY_EXPORT(LoadFeatures);
HWY_EXPORT(MultiplySlopes);

void load_features(const RowSource& source, FeatureMap map, float factor, float* out,
                   std::int64_t stride, std::int64_t padded, float* sums) {
  HWY_DYNAMIC_DISPATCH(LoadFeatures)(source, map, factor, out, stride, padded, sums);
}

void multiply_slopes(FeatureMap map, float factor, const float* features, float* gradients,
                     std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(MultiplySlopes)(map, factor, features, gradients, count);
}

}  // namespace subquad::kernels
#endif
