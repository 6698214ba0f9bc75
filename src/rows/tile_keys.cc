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

HalfStepRows load_half_step(const HeadProblem& head, const IndexList& keys,
                            std::uint16_t largest_value, std::uint8_t* wild) {
  const kernels::RowSource points = head.keys(), values = head.values();
  const std::uint16_t largest_key = f32_to_bf16(kLargestTileKey);
  HalfStepRows rows;
  for (std::int64_t i = 0; i < keys.count; ++i) {
    const std::uint16_t *key = row_of(points, keys[i]), *value = row_of(values, keys[i]);
    wild[i] = kernels::any_above(key, points.width, largest_key) ||
              kernels::any_above(value, values.width, largest_value);
    if (wild[i] != 0) continue;
    rows.keys[i] = key;
    rows.values[i] = value;
  }
  return rows;
}

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

IndexList TileKeys::half_step(std::int64_t key) const {
  const std::int64_t end = std::min(key + kernels::kTileDepth, head_.num_keys);
  return index_range(key, std::max(key, end));
}

void TileKeys::finish() {
  for (std::size_t i = 0; i < is_wild_.size(); ++i)
    if (is_wild_[i] != 0)
      wild_.push_back(static_cast<std::int32_t>(range_.begin + static_cast<std::int64_t>(i)));
}

}  // namespace subquad
