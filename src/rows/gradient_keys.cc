#include "rows/gradient_keys.h"

#include <algorithm>

#include "kernels/half.h"
#include "kernels/tiles/tile_limits.h"
#include "kernels/tiles/tile_pack.h"
#include "rows/packed_tiles.h"

namespace subquad {
namespace {

constexpr std::int64_t kPartKeys = 512;

const std::uint16_t* row_of(const kernels::RowSource& source, std::int64_t j) {
  return static_cast<const std::uint16_t*>(source.row(j));
}

}  // namespace

GradientKeys::GradientKeys(const HeadProblem& head)
    : head_(head),
      keys_(tile_keys(head)),
      depth_(kernels::tiles_along(head.head_dim())),
      value_depth_(kernels::tiles_along(head.value_dim())),
      key_columns_(place(keys_.end) / kernels::kTileColumns * depth_),
      value_columns_(place(keys_.end) / kernels::kTileColumns * value_depth_),
      key_pairs_(place(keys_.end) / kernels::kTileDepth * 2 * depth_),
      is_wild_(static_cast<std::size_t>(place(keys_.end))) {}

std::int64_t GradientKeys::parts() const { return (place(keys_.end) + kPartKeys - 1) / kPartKeys; }

void GradientKeys::pack(std::int64_t part) {
  const std::int64_t begin = keys_.begin + part * kPartKeys;
  for (std::int64_t key = begin; key < std::min(begin + kPartKeys, keys_.end);
       key += kernels::kTileDepth)
    pack_half(key);
}

// A half step of keys, from `key`.
void GradientKeys::pack_half(std::int64_t key) {
  const kernels::RowSource keys = head_.keys(), values = head_.values();
  const std::uint16_t* key_rows[kernels::kTileDepth] = {};
  for (std::int64_t k = 0; k < kernels::kTileDepth; ++k) {
    const std::uint16_t* value_row = nullptr;
    if (const std::int64_t j = key + k; j < head_.num_keys) {
      const bool wild =
          kernels::any_above(row_of(keys, j), keys.width, f32_to_bf16(kLargestTileKey)) ||
          kernels::any_above(row_of(values, j), values.width, f32_to_bf16(kLargestTileValue));
      is_wild_[static_cast<std::size_t>(place(j))] = wild ? 1 : 0;
      key_rows[k] = wild ? nullptr : row_of(keys, j);
      value_row = wild ? nullptr : row_of(values, j);
    }
    const std::int64_t column = k % kernels::kTileColumns;
    kernels::pack_key_column(key_rows[k], keys.width, column,
                             const_cast<kernels::Tile*>(key_columns(key + k)));
    kernels::pack_key_column(value_row, values.width, column,
                             const_cast<kernels::Tile*>(value_columns(key + k)));
  }
  kernels::pack_pairs(key_rows, keys.width, 2 * depth_, const_cast<kernels::Tile*>(key_pairs(key)));
}

void GradientKeys::finish() {
  for (std::size_t i = 0; i < is_wild_.size(); ++i)
    if (is_wild_[i] != 0)
      wild_.push_back(static_cast<std::int32_t>(keys_.begin + static_cast<std::int64_t>(i)));
}

}  // namespace subquad
