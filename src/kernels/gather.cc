#include "kernels/gather.h"

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gather.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

HWY_INLINE void copy_row(const float* HWY_RESTRICT from, int64_t width, float* HWY_RESTRICT to) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= width; c += lanes) hn::StoreU(hn::LoadU(d, from + c), d, to + c);
  for (; c < width; ++c) to[c] = from[c];
}

void GatherRows(const float* from, int64_t stride, const PickedRows& rows, float* out,
                int64_t out_stride) {
  for (int64_t i = 0; i < rows.count; ++i)
    copy_row(from + rows.ids[i] * stride, rows.width, out + i * out_stride);
}

void PutRows(const float* from, int64_t stride, const PickedRows& rows, float* out,
             int64_t out_stride) {
  for (int64_t i = 0; i < rows.count; ++i)
    copy_row(from + i * stride, rows.width, out + rows.ids[i] * out_stride);
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(GatherRows);
HWY_EXPORT(PutRows);

void gather_rows(const float* from, std::int64_t stride, const PickedRows& rows, float* out,
                 std::int64_t out_stride) {
  HWY_DYNAMIC_DISPATCH(GatherRows)(from, stride, rows, out, out_stride);
}

void put_rows(const float* from, std::int64_t stride, const PickedRows& rows, float* out,
              std::int64_t out_stride) {
  HWY_DYNAMIC_DISPATCH(PutRows)(from, stride, rows, out, out_stride);
}

}  // namespace subquad::kernels
#endif
