#include "kernels/cluster.h"

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cluster.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using Ids = hn::RebindToSigned<D>;

void ProjectRows(const float* rows, int64_t stride, const int32_t* ids, int64_t count,
                 const float* direction, float* dots) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < count; ++i) {
    const float* row = rows + (ids != nullptr ? ids[i] : i) * stride;
    auto sums = hn::Zero(d);
    for (int64_t c = 0; c < stride; c += lanes)
      sums = hn::MulAdd(hn::LoadU(d, row + c), hn::LoadU(d, direction + c), sums);
    dots[i] = hn::GetLane(hn::SumOfLanes(d, sums));
  }
}

void TakeLargest(const float* scores, int64_t stride, int64_t rows, int64_t columns,
                 const float* bias, int32_t first, float* best, int32_t* winner) {
  const D d;
  const Ids di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < columns; i += lanes) {
    auto top = hn::LoadU(d, best + i);
    auto name = hn::LoadU(di, winner + i);
    for (int64_t r = 0; r < rows; ++r) {
      const auto score = hn::Add(hn::LoadU(d, scores + r * stride + i), hn::Set(d, bias[r]));
      const auto better = hn::Gt(score, top);
      top = hn::IfThenElse(better, score, top);
      const auto row = hn::Set(di, first + static_cast<int32_t>(r));
      name = hn::IfThenElse(hn::RebindMask(di, better), row, name);
    }
    hn::StoreU(top, d, best + i);
    hn::StoreU(name, di, winner + i);
  }
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(ProjectRows);
HWY_EXPORT(TakeLargest);

void project_rows(const float* rows, std::int64_t stride, const std::int32_t* ids,
                  std::int64_t count, const float* direction, float* dots) {
  HWY_DYNAMIC_DISPATCH(ProjectRows)(rows, stride, ids, count, direction, dots);
}
void take_largest(const float* scores, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                  const float* bias, std::int32_t first, float* best, std::int32_t* winner) {
  HWY_DYNAMIC_DISPATCH(TakeLargest)
  (scores, stride, rows, columns, bias, first, best, winner);
}

}  // namespace subquad::kernels
#endif
