#include "ops/log_sum_exp.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/log_sum_exp.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/exp2-inl.h"

HWY_BEFORE_NAMESPACE();
namespace subquad::ops::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;

float LargestOf(const float* x, int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto largest = hn::Set(d, -std::numeric_limits<float>::infinity());
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes) largest = hn::Max(largest, hn::LoadU(d, x + c));
  float result = hn::GetLane(hn::MaxOfLanes(d, largest));
  for (; c < count; ++c) result = std::max(result, x[c]);
  return result;
}

// sum of e^(x - largest) over `count` elements, in f32.
float sum_of_powers(const float* x, float largest, int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto log2e = hn::Set(d, 1.44269504f), m = hn::Set(d, largest);
  auto sum = hn::Zero(d);
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes) {
    const auto power = hn::Mul(hn::Sub(hn::LoadU(d, x + c), m), log2e);
    sum = hn::Add(sum, kernels::HWY_NAMESPACE::fast_exp2(d, power));
  }
  float result = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; c < count; ++c) result += std::exp(x[c] - largest);
  return result;
}

// Pieces of 1,024 are summed in f32, the pieces in f64.
double SumOfPowers(const float* x, float largest, int64_t count) {
  double sum = 0;
  for (int64_t c = 0; c < count; c += 1024)
    sum += static_cast<double>(sum_of_powers(x + c, largest, std::min<int64_t>(1024, count - c)));
  return sum;
}

}  // namespace subquad::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::ops {

HWY_EXPORT(LargestOf);
HWY_EXPORT(SumOfPowers);

double log_sum_exp(const float* x, std::int64_t count) {
  const float largest = HWY_DYNAMIC_DISPATCH(LargestOf)(x, count);
  if (!std::isfinite(largest)) return static_cast<double>(largest);
  return static_cast<double>(largest) +
         std::log(HWY_DYNAMIC_DISPATCH(SumOfPowers)(x, largest, count));
}

}  // namespace subquad::ops
#endif
