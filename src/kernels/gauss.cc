#include "kernels/gauss.h"

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gauss.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/exp2-inl.h"

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

HWY_INLINE V weight(V score, V bias, V half) {
  const D d;
  return fast_exp2(d, hn::Min(hn::Add(score, hn::Sub(bias, half)), hn::Zero(d)));
}

void GaussWeights(const GaussScores& s) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t r = 0; r < s.rows; ++r) {
    float* row = s.scores + r * s.stride;
    const V half = hn::Set(d, s.half[r]);
    for (int64_t k = 0; k < s.columns; k += lanes)
      hn::Store(weight(hn::Load(d, row + k), hn::Load(d, s.bias + k), half), d, row + k);
  }
}

// Rows that share a pass over the values.
constexpr int kRows = 2;

template <int kChannels, int kCount>
HWY_INLINE void sum_rows(const GaussScores& s, int64_t r, const float* values, int64_t value_stride,
                         double* sums) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V half[kCount], total[kCount * kChannels];
  for (int i = 0; i < kCount; ++i) half[i] = hn::Set(d, s.half[r + i]);
  for (V& t : total) t = hn::Zero(d);
  const float* row = s.scores + r * s.stride;
  for (int64_t k = 0; k < s.columns; k += lanes) {
    const V bias = hn::Load(d, s.bias + k);
    V w[kCount];
    for (int i = 0; i < kCount; ++i)
      w[i] = weight(hn::Load(d, row + i * s.stride + k), bias, half[i]);
    for (int c = 0; c < kChannels; ++c) {
      const V value = hn::Load(d, values + c * value_stride + k);
      for (int i = 0; i < kCount; ++i)
        total[i * kChannels + c] = hn::MulAdd(w[i], value, total[i * kChannels + c]);
    }
  }
  for (int i = 0; i < kCount * kChannels; ++i)
    sums[i] += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, total[i])));
}

template <int kChannels>
void SumAll(const GaussScores& s, const float* values, int64_t value_stride, double* sums) {
  int64_t r = 0;
  for (; r + kRows <= s.rows; r += kRows)
    sum_rows<kChannels, kRows>(s, r, values, value_stride, sums + r * kChannels);
  for (; r < s.rows; ++r) sum_rows<kChannels, 1>(s, r, values, value_stride, sums + r * kChannels);
}

void GaussSums(const GaussScores& s, const float* values, int64_t value_stride, int64_t channels,
               double* sums) {
  static constexpr void (*kOf[])(const GaussScores&, const float*, int64_t, double*) = {
      SumAll<1>, SumAll<2>, SumAll<3>, SumAll<4>, SumAll<5>, SumAll<6>, SumAll<7>, SumAll<8>};
  kOf[channels - 1](s, values, value_stride, sums);
}

// Vectors of queries that share a pass over the keys.
constexpr int kVectors = 4;

// kDim 0: `dim`. The query vectors stay in registers where they are few.
template <int kDim, int kCount>
HWY_INLINE void weigh_key(const float* queries, const float* key, int64_t dim, V* w) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V square[kCount];
  for (V& s : square) s = hn::Zero(d);
  const int64_t width = kDim > 0 ? kDim : dim;
  for (int64_t c = 0; c < width; ++c) {
    const V coordinate = hn::Set(d, key[c]);
    for (int i = 0; i < kCount; ++i) {
      const V gap = hn::Sub(hn::Load(d, queries + c * kGaussQueries + i * lanes), coordinate);
      square[i] = hn::MulAdd(gap, gap, square[i]);
    }
  }
  for (int i = 0; i < kCount; ++i) w[i] = fast_exp2(d, hn::Neg(square[i]));
}

template <int kDim, int kCount>
HWY_INLINE void meet_one_channel(const float* queries, const GaussKeys& keys, float* sums) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V total[kCount], w[kCount];
  for (int i = 0; i < kCount; ++i) total[i] = hn::Load(d, sums + i * lanes);
  for (int64_t k = 0; k < keys.count; ++k) {
    weigh_key<kDim, kCount>(queries, keys.points + k * keys.dim, keys.dim, w);
    const V value = hn::Set(d, keys.values[k]);
    for (int i = 0; i < kCount; ++i) total[i] = hn::MulAdd(w[i], value, total[i]);
  }
  for (int i = 0; i < kCount; ++i) hn::Store(total[i], d, sums + i * lanes);
}

template <int kDim, int kCount>
HWY_INLINE void meet_channels(const float* queries, const GaussKeys& keys, float* sums) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V w[kCount];
  for (int64_t k = 0; k < keys.count; ++k) {
    weigh_key<kDim, kCount>(queries, keys.points + k * keys.dim, keys.dim, w);
    const float* values = keys.values + k * keys.channels;
    for (int64_t c = 0; c < keys.channels; ++c) {
      const V value = hn::Set(d, values[c]);
      float* at = sums + c * kGaussQueries;
      for (int i = 0; i < kCount; ++i)
        hn::Store(hn::MulAdd(w[i], value, hn::Load(d, at + i * lanes)), d, at + i * lanes);
    }
  }
}

template <int kDim, int kCount>
HWY_INLINE void meet(const float* queries, const GaussKeys& keys, float* sums) {
  if (keys.channels == 1)
    meet_one_channel<kDim, kCount>(queries, keys, sums);
  else
    meet_channels<kDim, kCount>(queries, keys, sums);
}

template <int kDim>
void MeetKeys(const float* queries, int64_t num_queries, const GaussKeys& keys, float* sums) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  int64_t i = 0;
  for (; i + (kVectors - 1) * lanes < num_queries; i += kVectors * lanes)
    meet<kDim, kVectors>(queries + i, keys, sums + i);
  for (; i < num_queries; i += lanes) meet<kDim, 1>(queries + i, keys, sums + i);
}

void GaussDirect(const float* queries, int64_t num_queries, const GaussKeys& keys, float* sums) {
  switch (keys.dim) {
    case 1:
      return MeetKeys<1>(queries, num_queries, keys, sums);
    case 2:
      return MeetKeys<2>(queries, num_queries, keys, sums);
    case 3:
      return MeetKeys<3>(queries, num_queries, keys, sums);
    default:
      return MeetKeys<0>(queries, num_queries, keys, sums);
  }
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(GaussWeights);
HWY_EXPORT(GaussSums);
HWY_EXPORT(GaussDirect);

void gauss_weights(const GaussScores& s) { HWY_DYNAMIC_DISPATCH(GaussWeights)(s); }

void gauss_sums(const GaussScores& s, const float* values, std::int64_t value_stride,
                std::int64_t channels, double* sums) {
  HWY_DYNAMIC_DISPATCH(GaussSums)(s, values, value_stride, channels, sums);
}

void gauss_direct(const float* queries, std::int64_t num_queries, const GaussKeys& keys,
                  float* sums) {
  HWY_DYNAMIC_DISPATCH(GaussDirect)(queries, num_queries, keys, sums);
}

}  // namespace subquad::kernels
#endif
