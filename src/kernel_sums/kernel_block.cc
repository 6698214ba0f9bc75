#include "kernel_sums/kernel_block.h"

#include <algorithm>
#include <cmath>

#include "kernels/softmax.h"

namespace subquad {

KernelBlock::KernelBlock(std::int64_t dim, std::int64_t channels, const std::vector<float>& scales,
                         bool with_spread)
    : frame_{dim, channels, scales.data(), with_spread},
      half_square_(static_cast<std::size_t>(kRows)),
      queries_(kRows * frame_.width()),
      rows_(frame_.width(), channels, kRows),
      scratch_(frame_.width(), channels) {
  problem_.query = dense_view(static_cast<const void*>(queries_.data()), DType::f32,
                              {1, 1, kRows, frame_.width()});
  head_ = {.problem = &problem_, .query_len = kRows, .scale_log2 = 1};
}

void KernelBlock::load(const float* queries, const IndexList& rows, std::span<const float> center) {
  center_.assign(center.begin(), center.end());
  for (std::int64_t r = 0; r < rows.count; ++r)
    half_square_[static_cast<std::size_t>(r)] = frame_.place_query(
        queries + rows[r] * frame_.dim, center_.data(), queries_.data() + r * frame_.width());
  rows_.load(head_, index_range(0, rows.count));
}

KeyRun KernelBlock::run_of(const CenteredKeys& source, const IndexList& keys) const {
  KeyRun run;
  run.rows = {0, rows_.rows().count};
  run.keys = keys;
  run.source = &source;
  // No kernel is above 1, whatever rounding says.
  run.limits = {half_square_.data()};
  return run;
}

void KernelBlock::add(const KernelSource& source, const IndexList& keys) {
  const CenteredKeys centered(frame_, source, center_.data());
  attend_run(head_, rows_, run_of(centered, keys), {}, scratch_);
}

void KernelBlock::weigh(const KernelSource& source, const IndexList& keys, float* out,
                        std::int64_t stride) {
  const std::int64_t step = kernels::blocking().rows, rows = rows_.rows().count;
  const CenteredKeys centered(frame_, source, center_.data());
  ScorePanel& panel = scratch_.panel;
  rows_.set_limits({half_square_.data()});
  float* columns = out;
  for_each_tile(head_, run_of(centered, keys), scratch_, [&](const KeyTile& tile) {
    const std::int64_t count = tile.keys().count;
    for (std::int64_t r = 0; r < rows; r += step) {
      const Range part{r, std::min(r + step, rows)};
      score_rows(head_, rows_, part, tile, {0, count}, {}, panel);
      kernels::exp2_rows(panel.data(), panel.stride(), part.end - r, count,
                         half_square_.data() + r);
      for (std::int64_t i = r; i < part.end; ++i)
        std::copy_n(panel.data() + (i - r) * panel.stride(), count, columns + i * stride);
    }
    columns += count;
  });
  rows_.set_limits({});
}

}  // namespace subquad
