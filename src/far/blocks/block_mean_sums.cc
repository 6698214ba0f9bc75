#include "far/blocks/block_mean_sums.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/round_up.h"
#include "kernels/gemm.h"
#include "kernels/softmax.h"

namespace subquad {
namespace {

Range common(const Range& a, const Range& b) {
  return {std::max(a.begin, b.begin), std::min(a.end, b.end)};
}

}  // namespace

BlockMeanSums::BlockMeanSums(const BlockMeanModel& model)
    : model_(model),
      stride_(round_up(model.size(), 32) + 16),
      scores_(FarField::kRows * stride_),
      sums_(FarField::kRows, model.width()) {}

void BlockMeanSums::add(const float* queries, const IndexList& rows, const Range& blocks,
                        float sign, const Partial& sums) {
  if (blocks.empty()) return;
  const std::int64_t dim = model_.head().head_dim();
  for (std::int64_t begin = 0; begin < rows.count; begin += FarField::kRows) {
    const std::int64_t count = std::min(FarField::kRows, rows.count - begin);
    add_rows(queries + begin * dim, rows.slice(begin, count), blocks, sign,
             sums.slice(begin, count));
  }
}

void BlockMeanSums::add_rows(const float* queries, const IndexList& rows, const Range& blocks,
                             float sign, const Partial& sums) {
  const Range columns = BlockMeanModel::columns_for(blocks);
  const std::int64_t count = columns.end - columns.begin;
  model_.score(
      queries, rows.count, columns,
      [&](std::int64_t r) { return common(blocks, model_.blocks_of(rows[r])); }, scores_.data(),
      stride_);
  const Partial part = sums_.view(rows.count);
  set_identity(part);
  kernels::softmax_update(scores_.data(), stride_, rows.count, count,
                          {part.m, part.l, part.o, part.o_stride, part.value_dim});
  kernels::gemm({scores_.data(), stride_, 1}, model_.coefficients_from(columns.begin), rows.count,
                model_.width(), count, part.o, part.o_stride, true);
  std::vector<std::int64_t> lost;
  for (std::int64_t r = 0; r < rows.count; ++r)
    if (part.m[r] == HUGE_VALF || std::isnan(part.l[r])) lost.push_back(r);
  merge_signed(sums, part, sign);
  for (const std::int64_t r : lost) sums.l[r] = 0;
}

}  // namespace subquad
