#include "kernels/stream.h"

#include <algorithm>

#include "kernels/targets.h"

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

template <class Storage>
HWY_INLINE float dot(const float* query, const typename Storage::Bits* key, int64_t width) {
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
  float tail = 0.0f;
  for (; c < width; ++c) tail += query[c] * Storage::one(key[c]);
  return tail + hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
}

void StreamScores(const float* queries, int64_t rows, const RowSource& keys, float* scores,
                  int64_t stride) {
  with_storage(keys.dtype, [&](auto storage) HWY_ATTR {
    using Storage = decltype(storage);
    for (int64_t j = 0; j < keys.count; ++j) {
      const auto* key = static_cast<const typename Storage::Bits*>(keys.row(j));
      for (int64_t r = 0; r < rows; ++r)
        scores[r * stride + j] = dot<Storage>(queries + r * keys.width, key, keys.width);
    }
  });
}

constexpr int64_t kMaxVectors = 4;

// Channels [0, W * lanes) of all values, for one row; the sums stay in registers.
template <class Storage, int W>
HWY_INLINE void accumulate_channels(const float* weights, const RowSource& values, int64_t channel,
                                    float* o, V& check) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V zero = hn::Zero(d);
  V sum[W];
#pragma GCC unroll 4
  for (int w = 0; w < W; ++w) sum[w] = hn::LoadU(d, o + w * lanes);
  for (int64_t j = 0; j < values.count; ++j) {
    const auto* value = static_cast<const typename Storage::Bits*>(values.row(j)) + channel;
    const V weight = hn::Set(d, weights[j]);
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) {
      const V v = Storage::load(d, value + w * lanes);
      check = hn::MulAdd(v, zero, check);
      sum[w] = hn::MulAdd(weight, v, sum[w]);
    }
  }
#pragma GCC unroll 4
  for (int w = 0; w < W; ++w) hn::StoreU(sum[w], d, o + w * lanes);
}

template <class Storage>
HWY_INLINE float accumulate_tail(const float* weights, const RowSource& values, int64_t channel,
                                 float* o) {
  float check = 0.0f;
  for (int64_t j = 0; j < values.count; ++j) {
    const auto* value = static_cast<const typename Storage::Bits*>(values.row(j));
    for (int64_t c = channel; c < values.width; ++c) {
      const float v = Storage::one(value[c]);
      check += 0.0f * v;
      o[c - channel] += weights[j] * v;
    }
  }
  return check;
}

template <class Storage>
bool stream_row(const float* weights, const RowSource& values, float* o) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V check = hn::Zero(d);
  int64_t c = 0;
  for (; c + kMaxVectors * lanes <= values.width; c += kMaxVectors * lanes)
    accumulate_channels<Storage, kMaxVectors>(weights, values, c, o + c, check);
  for (; c + lanes <= values.width; c += lanes)
    accumulate_channels<Storage, 1>(weights, values, c, o + c, check);
  const float tail = c < values.width ? accumulate_tail<Storage>(weights, values, c, o + c) : 0.0f;
  return hn::AllTrue(d, hn::Eq(check, hn::Zero(d))) && tail == 0.0f;
}

bool StreamValues(const float* weights, int64_t stride, int64_t rows, const RowSource& values,
                  float* o, int64_t o_stride) {
  return with_storage(values.dtype, [&](auto storage) HWY_ATTR {
    // Small groups of keys, so that they are still in the first cache for the next row.
    constexpr int64_t kGroup = 64;
    bool finite = true;
    for (int64_t j = 0; j < values.count; j += kGroup) {
      const RowSource group = values.slice(j, std::min(kGroup, values.count - j));
      for (int64_t r = 0; r < rows; ++r)
        finite &= stream_row<decltype(storage)>(weights + r * stride + j, group, o + r * o_stride);
    }
    return finite;
  });
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
