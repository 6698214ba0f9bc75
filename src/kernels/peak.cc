#include "kernels/peak.h"

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/peak.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

constexpr int kChains = 12;  // more than latency times throughput of any current core

double FmaRounds(int64_t repeats, float* sink) {
  const D d;
  V sum[kChains];
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) sum[i] = hn::Set(d, 0.001f * static_cast<float>(i));
  const V factor = hn::Set(d, 0.999f), term = hn::Set(d, 0.001f);
  for (int64_t k = 0; k < repeats; ++k) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) sum[i] = hn::MulAdd(sum[i], factor, term);
  }
  V total = sum[0];
#pragma GCC unroll 12
  for (int i = 1; i < kChains; ++i) total = hn::Add(total, sum[i]);
  *sink = hn::GetLane(hn::SumOfLanes(d, total));
  return 2.0 * kChains * static_cast<double>(hn::Lanes(d)) * static_cast<double>(repeats);
}

float ReadSum(const float* data, int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  constexpr int kStreams = 4;
  V sum[kStreams];
  for (V& s : sum) s = hn::Zero(d);
  for (int64_t i = 0; i < count; i += kStreams * lanes)
#pragma GCC unroll 4
    for (int s = 0; s < kStreams; ++s) sum[s] = hn::Add(sum[s], hn::Load(d, data + i + s * lanes));
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum[0], sum[1]), hn::Add(sum[2], sum[3]))));
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(FmaRounds);
HWY_EXPORT(ReadSum);

double fma_rounds(std::int64_t repeats, float* sink) {
  return HWY_DYNAMIC_DISPATCH(FmaRounds)(repeats, sink);
}
float read_sum(const float* data, std::int64_t count) {
  return HWY_DYNAMIC_DISPATCH(ReadSum)(data, count);
}

}  // namespace subquad::kernels
#endif
