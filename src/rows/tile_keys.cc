#include "rows/tile_keys.h"

#include <algorithm>

#include "core/round_up.h"
#include "kernels/half.h"
#include "kernels/tiles/tile_limits.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

constexpr std::int64_t kPartKeys = 512;

Range steps_seen(const HeadProblem& head) {
  if (head.num_rows() == 0) return {};
  const Range seen = head.visible(0, head.num_rows());
  if (seen.empty()) return {};
  const std::int64_t step = kernels::kStepKeys;
  return {seen.begin / step * step, round_up(seen.end, step)};
}

const std::uint16_t* row_of(const kernels::RowSource& source, std::int64_t j) {
  return static_cast<const std::uint16_t*>(source.row(j));
}

}  // namespace

TileKeys::TileKeys(const HeadProblem& head, std::uint16_t largest_value)
    : head_(head),
      range_(steps_seen(head)),
      largest_value_(largest_value),
      is_wild_(static_cast<std::size_t>(count())) {}

std::int64_t TileKeys::parts() const { return count_blocks(count(), kPartKeys); }

Range TileKeys::part_range(std::int64_t part) const {
  const std::int64_t begin = range_.begin + part * kPartKeys;
  return {begin, std::min(begin + kPartKeys, range_.end)};
}

HalfStepRows TileKeys::load(std::int64_t key) {
  const kernels::RowSource keys = head_.keys(), values = head_.values();
  const std::uint16_t largest_key = f32_to_bf16(kLargestTileKey);
  const std::int64_t end = std::min(key + kernels::kTileDepth, head_.num_keys);
  HalfStepRows rows;
  for (std::int64_t j = key; j < end; ++j) {
    const bool wild = kernels::any_above(row_of(keys, j), keys.width, largest_key) ||
                      kernels::any_above(row_of(values, j), values.width, largest_value_);
    is_wild_[static_cast<std::size_t>(place(j))] = wild ? 1 : 0;
    if (wild) continue;
    rows.keys[j - key] = row_of(keys, j);
    rows.values[j - key] = row_of(values, j);
  }
  return rows;
}

void TileKeys::finish() {
  for (std::size_t i = 0; i < is_wild_.size(); ++i)
    if (is_wild_[i] != 0)
      wild_.push_back(static_cast<std::int32_t>(range_.begin + static_cast<std::int64_t>(i)));
}

}  // namespace subquad
