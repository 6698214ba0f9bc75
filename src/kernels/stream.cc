#include "kernels/stream.h"

#include <algorithm>

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stream.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/convert-inl.h"

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Products of one query and one key, not yet summed over the lanes; the channels that fill no
// vector are added to `tail`.
template <class Storage>
HWY_INLINE V lane_products(const float* query, const typename Storage::Bits* key, int64_t width,
                           float& tail) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V sum0 = hn::Zero(d), sum1 = hn::Zero(d);
  int64_t c = 0;
  for (; c + 2 * lanes <= width; c += 2 * lanes) {
    sum0 = hn::MulAdd(hn::LoadU(d, query + c), Storage::load(d, key + c), sum0);
    sum1 = hn::MulAdd(hn::LoadU(d, query + c + lanes), Storage::load(d, key + c + lanes), sum1);
  }
  if (c + lanes <= width) {
    sum0 = hn::MulAdd(hn::LoadU(d, query + c), Storage::load(d, key + c), sum0);
    c += lanes;
  }
  for (; c < width; ++c) tail += query[c] * Storage::one(key[c]);
  return hn::Add(sum0, sum1);
}

#if HWY_TARGET != HWY_SCALAR
// Sums blocks of four lanes into one.
template <class D2>
HWY_INLINE hn::Vec<hn::FixedTag<float, 4>> fold(D2 d, hn::Vec<D2> v) {
  if constexpr (hn::MaxLanes(d) <= 4) {
    return v;
  } else {
    const hn::Half<D2> half;
    return fold(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}
#endif

// out[i] += sum of the lanes of products[i], i < 4: four sums for the price of one and a half.
HWY_INLINE void add_lane_sums(const V (&products)[4], float* out) {
#if HWY_TARGET == HWY_SCALAR
  for (int i = 0; i < 4; ++i) out[i] += hn::GetLane(products[i]);
#else
  const D d;
  const hn::RepartitionToWide<D> pairs;
  const auto add_halves = [d](V a, V b) HWY_ATTR {
    return hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  };
  const auto low = hn::BitCast(pairs, add_halves(products[0], products[1]));
  const auto high = hn::BitCast(pairs, add_halves(products[2], products[3]));
  const V sums = hn::Add(hn::BitCast(d, hn::InterleaveLower(pairs, low, high)),
                         hn::BitCast(d, hn::InterleaveUpper(pairs, low, high)));
  const hn::FixedTag<float, 4> four;
  hn::StoreU(hn::Add(hn::LoadU(four, out), fold(d, sums)), four, out);
#endif
}

template <class Storage>
HWY_INLINE void four_scores(const float* query, const RowSource& keys, int64_t first, float* out) {
  V products[4];
  for (int64_t i = 0; i < 4; ++i) {
    out[i] = 0.0f;
    const auto* key = static_cast<const typename Storage::Bits*>(keys.row(first + i));
    products[i] = lane_products<Storage>(query, key, keys.width, out[i]);
  }
  add_lane_sums(products, out);
}

template <class Storage>
HWY_INLINE float one_score(const float* query, const RowSource& keys, int64_t j) {
  float tail = 0.0f;
  const auto* key = static_cast<const typename Storage::Bits*>(keys.row(j));
  const V products = lane_products<Storage>(query, key, keys.width, tail);
  return tail + hn::GetLane(hn::SumOfLanes(D(), products));
}

void StreamScores(const float* queries, int64_t rows, const RowSource& keys, float* scores,
                  int64_t stride) {
  with_storage(keys.dtype, [&](auto storage) HWY_ATTR {
    using Storage = decltype(storage);
    int64_t j = 0;
    for (; j + 4 <= keys.count; j += 4)
      for (int64_t r = 0; r < rows; ++r)
        four_scores<Storage>(queries + r * keys.width, keys, j, scores + r * stride + j);
    for (; j < keys.count; ++j)
      for (int64_t r = 0; r < rows; ++r)
        scores[r * stride + j] = one_score<Storage>(queries + r * keys.width, keys, j);
  });
}

constexpr int64_t kMaxVectors = 4;

// W vectors of channels of all values, for one row; the sums stay in registers.
template <class Storage, int W>
HWY_INLINE void accumulate_channels(const float* weights, const RowSource& values, int64_t channel,
                                    float* o) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V sum[W];
#pragma GCC unroll 4
  for (int w = 0; w < W; ++w) sum[w] = hn::LoadU(d, o + w * lanes);
  for (int64_t j = 0; j < values.count; ++j) {
    const auto* value = static_cast<const typename Storage::Bits*>(values.row(j)) + channel;
    const V weight = hn::Set(d, weights[j]);
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w)
      sum[w] = hn::MulAdd(weight, Storage::load(d, value + w * lanes), sum[w]);
  }
#pragma GCC unroll 4
  for (int w = 0; w < W; ++w) hn::StoreU(sum[w], d, o + w * lanes);
}

template <class Storage>
HWY_INLINE void accumulate_tail(const float* weights, const RowSource& values, int64_t channel,
                                float* o) {
  for (int64_t j = 0; j < values.count; ++j) {
    const auto* value = static_cast<const typename Storage::Bits*>(values.row(j));
    for (int64_t c = channel; c < values.width; ++c)
      o[c - channel] += weights[j] * Storage::one(value[c]);
  }
}

template <class Storage>
void stream_row(const float* weights, const RowSource& values, float* o) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + kMaxVectors * lanes <= values.width; c += kMaxVectors * lanes)
    accumulate_channels<Storage, kMaxVectors>(weights, values, c, o + c);
  for (; c + lanes <= values.width; c += lanes)
    accumulate_channels<Storage, 1>(weights, values, c, o + c);
  if (c < values.width) accumulate_tail<Storage>(weights, values, c, o + c);
}

// An Inf or NaN among the values cannot cancel: even with weight 0 it leaves a NaN in its channel.
bool is_finite(const float* o, int64_t width) {
  float check = 0.0f;
  for (int64_t c = 0; c < width; ++c) check += 0.0f * o[c];
  return check == 0.0f;
}

bool StreamValues(const float* weights, int64_t stride, int64_t rows, const RowSource& values,
                  float* o, int64_t o_stride) {
  with_storage(values.dtype, [&](auto storage) HWY_ATTR {
    // Small groups of keys, so that they are still in the first cache for the next row.
    constexpr int64_t kGroup = 64;
    for (int64_t j = 0; j < values.count; j += kGroup) {
      const RowSource group = values.slice(j, std::min(kGroup, values.count - j));
      for (int64_t r = 0; r < rows; ++r)
        stream_row<decltype(storage)>(weights + r * stride + j, group, o + r * o_stride);
    }
  });
  for (int64_t r = 0; r < rows; ++r)
    if (!is_finite(o + r * o_stride, values.width)) return false;
  return true;
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(StreamScores);
HWY_EXPORT(StreamValues);

void stream_scores(const float* queries, std::int64_t rows, const RowSource& keys, float* scores,
                   std::int64_t stride) {
  HWY_DYNAMIC_DISPATCH(StreamScores)(queries, rows, keys, scores, stride);
}

bool stream_values(const float* weights, std::int64_t stride, std::int64_t rows,
                   const RowSource& values, float* o, std::int64_t o_stride) {
  return HWY_DYNAMIC_DISPATCH(StreamValues)(weights, stride, rows, values, o, o_stride);
}

}  // namespace subquad::kernels
#endif
