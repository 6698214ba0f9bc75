#include "kernels/monomials.h"

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/monomials.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, kMonomialSlack>;
using Segments = std::span<const MonomialSegment>;

HWY_INLINE float factor_of(const MonomialRows& rows, int64_t row, const MonomialSegment& segment) {
  return rows.factors != nullptr ? rows.factors[row * rows.factor_stride + segment.degree] : 1.0f;
}

HWY_INLINE float channel_of(const MonomialRows& rows, int64_t row, const MonomialSegment& segment) {
  return segment.lead < 0 ? 1.0f : rows.channels[row * rows.channel_stride + segment.lead];
}

void ExpandMonomials(Segments segments, const MonomialRows& rows, float* out, int64_t stride,
                     int64_t width, float* sums) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t r = 0; r < rows.count; ++r) {
    const float* chain = rows.chain + r * rows.chain_stride;
    float* row = out + r * stride;
    for (const MonomialSegment& segment : segments) {
      const auto factor = hn::Set(d, factor_of(rows, r, segment) * channel_of(rows, r, segment));
      const float* from = chain + segment.from;
      float* to = row + segment.to;
      for (int64_t n = 0; n < segment.count; n += lanes)
        hn::StoreU(hn::Mul(factor, hn::LoadU(d, from + n)), d, to + n);
    }
    for (int64_t n = 0; sums != nullptr && n < width; n += lanes)
      hn::StoreU(hn::Add(hn::LoadU(d, sums + n), hn::LoadU(d, row + n)), d, sums + n);
  }
}

// Chain gradients += scale * gradients; returns <gradients, chain>.
HWY_INLINE float reduce_segment(const float* HWY_RESTRICT grads, const float* chain, float* to,
                                float scale, int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto factor = hn::Set(d, scale);
  auto sum = hn::Zero(d);
  int64_t n = 0;
  for (; n + lanes <= count; n += lanes) {
    const auto g = hn::LoadU(d, grads + n);
    sum = hn::MulAdd(g, hn::LoadU(d, chain + n), sum);
    hn::StoreU(hn::MulAdd(factor, g, hn::LoadU(d, to + n)), d, to + n);
  }
  float dot = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; n < count; ++n) {
    dot += grads[n] * chain[n];
    to[n] += scale * grads[n];
  }
  return dot;
}

void ReduceMonomials(Segments segments, const MonomialRows& rows, const float* grads,
                     int64_t stride, float* grad_chain, float* grad_channels, int64_t grad_stride) {
  for (int64_t r = 0; r < rows.count; ++r) {
    const float* chain = rows.chain + r * rows.chain_stride;
    for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
      const float factor = factor_of(rows, r, *segment);
      const float dot = reduce_segment(grads + r * stride + segment->to, chain + segment->from,
                                       grad_chain + r * rows.chain_stride + segment->from,
                                       factor * channel_of(rows, r, *segment), segment->count);
      if (segment->lead >= 0) grad_channels[r * grad_stride + segment->lead] += factor * dot;
    }
  }
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(ExpandMonomials);
HWY_EXPORT(ReduceMonomials);

void expand_monomials(std::span<const MonomialSegment> segments, const MonomialRows& rows,
                      float* out, std::int64_t stride, std::int64_t width, float* sums) {
  HWY_DYNAMIC_DISPATCH(ExpandMonomials)(segments, rows, out, stride, width, sums);
}

void reduce_monomials(std::span<const MonomialSegment> segments, const MonomialRows& rows,
                      const float* grads, std::int64_t stride, float* grad_chain,
                      float* grad_channels, std::int64_t grad_stride) {
  HWY_DYNAMIC_DISPATCH(ReduceMonomials)
  (segments, rows, grads, stride, grad_chain, grad_channels, grad_stride);
}

}  // namespace subquad::kernels
#endif
