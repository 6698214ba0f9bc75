#include "kernels/open.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/open.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>

#include "kernels/exp2-inl.h"

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using DI = hn::RebindToSigned<D>;
using V = hn::Vec<D>;

constexpr float kNothing = -std::numeric_limits<float>::infinity();

float Log2Total(const float* scores, int64_t columns, float log2_start) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V nothing = hn::Set(d, kNothing);
  V top = hn::Set(d, log2_start);
  const auto load = [&](int64_t c) {
    const V scores_here = hn::LoadU(d, scores + c);
    if (c + lanes <= columns) return scores_here;
    return hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(columns - c)), scores_here, nothing);
  };
  for (int64_t c = 0; c < columns; c += lanes) top = hn::Max(top, load(c));
  const float reference = hn::GetLane(hn::MaxOfLanes(d, top));
  if (reference == kNothing) return kNothing;
  const V m = hn::Set(d, reference);
  V sum = hn::Zero(d);
  for (int64_t c = 0; c < columns; c += lanes)
    sum = hn::Add(sum, fast_exp2(d, hn::Sub(load(c), m)));
  return reference +
         std::log2(hn::GetLane(hn::SumOfLanes(d, sum)) + std::exp2(log2_start - reference));
}

int64_t OpenColumns(float* scores, const float* reach, int64_t columns, float limit,
                    int32_t* opened) {
  const D d;
  const DI di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V nothing = hn::Set(d, kNothing), least = hn::Set(d, limit);
  int64_t count = 0;
  for (int64_t c = 0; c < columns; c += lanes) {
    const V score = hn::LoadU(d, scores + c);
    auto open = hn::Gt(hn::Add(score, hn::LoadU(d, reach + c)), least);
    open = hn::And(open, hn::FirstN(d, static_cast<size_t>(std::min(lanes, columns - c))));
    if (hn::AllFalse(d, open)) continue;
    hn::StoreU(hn::IfThenElse(open, nothing, score), d, scores + c);
    count += static_cast<int64_t>(hn::CompressStore(hn::Iota(di, static_cast<int32_t>(c)),
                                                    hn::RebindMask(di, open), di, opened + count));
  }
  return count;
}

void ReachOfSquares(const float* base, int64_t columns, float* squares) {
  const D d;
  const V one = hn::Set(d, 1.0f), least = hn::Set(d, 1e-7f);
  for (int64_t c = 0; c < columns; c += static_cast<int64_t>(hn::Lanes(d))) {
    const V rise = hn::Sqrt(hn::LoadU(d, squares + c));
    // log2(2^rise - 1) = rise + log2(1 - 2^-rise), which no rise overflows.
    const V share = hn::Max(hn::Sub(one, fast_exp2(d, hn::Neg(rise))), least);
    hn::StoreU(hn::Add(hn::LoadU(d, base + c), hn::Add(rise, hn::Log2(d, share))), d, squares + c);
  }
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(Log2Total);
HWY_EXPORT(OpenColumns);
HWY_EXPORT(ReachOfSquares);

float log2_total(const float* scores, std::int64_t columns, float log2_start) {
  return HWY_DYNAMIC_DISPATCH(Log2Total)(scores, columns, log2_start);
}

std::int64_t open_columns(float* scores, const float* reach, std::int64_t columns, float limit,
                          std::int32_t* opened) {
  return HWY_DYNAMIC_DISPATCH(OpenColumns)(scores, reach, columns, limit, opened);
}

void reach_of_squares(const float* base, std::int64_t columns, float* squares) {
  HWY_DYNAMIC_DISPATCH(ReachOfSquares)(base, columns, squares);
}

}  // namespace subquad::kernels
#endif
