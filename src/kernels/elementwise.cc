#include "kernels/elementwise.h"

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;

void AddTo(const float* x, int64_t count, float* out) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes)
    hn::StoreU(hn::Add(hn::LoadU(d, out + c), hn::LoadU(d, x + c)), d, out + c);
  for (; c < count; ++c) out[c] += x[c];
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(AddTo);

void add(const float* x, std::int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(AddTo)(x, count, out);
}

}  // namespace subquad::kernels
#endif
