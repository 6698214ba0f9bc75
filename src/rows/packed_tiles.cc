#include "rows/packed_tiles.h"

#include <algorithm>

#include "kernels/half.h"
#include "kernels/tiles/tile_limits.h"
#include "kernels/tiles/tile_pack.h"

namespace subquad {
namespace {

constexpr std::int64_t kPartKeys = 512;
constexpr std::uint16_t kLargestFinite = 0x7F7F;

const std::uint16_t* row_of(const kernels::RowSource& source, std::int64_t j) {
  return static_cast<const std::uint16_t*>(source.row(j));
}

}  // namespace

Range tile_keys(const HeadProblem& head) {
  if (head.num_rows() == 0) return {};
  const Range seen = head.visible(0, head.num_rows());
  if (seen.empty()) return {};
  const std::int64_t step = kernels::kStepKeys;
  return {seen.begin / step * step, (seen.end + step - 1) / step * step};
}

PackedTiles::PackedTiles(const HeadProblem& head)
    : head_(head),
      keys_(tile_keys(head)),
      depth_(kernels::tiles_along(head.head_dim())),
      columns_(2 * kernels::tiles_along(head.value_dim())),
      key_tiles_((keys_.end - keys_.begin) / kernels::kTileColumns * depth_),
      value_tiles_((keys_.end - keys_.begin) / kernels::kTileDepth * columns_),
      is_wild_(static_cast<std::size_t>(keys_.end - keys_.begin)) {}

std::int64_t PackedTiles::parts() const {
  return (keys_.end - keys_.begin + kPartKeys - 1) / kPartKeys;
}

void PackedTiles::pack(std::int64_t part) {
  const std::int64_t begin = keys_.begin + part * kPartKeys;
  for (std::int64_t key = begin; key < std::min(begin + kPartKeys, keys_.end);
       key += kernels::kTileDepth)
    pack_half(key);
}

// A half step of keys, from `key`.
void PackedTiles::pack_half(std::int64_t key) {
  const kernels::RowSource keys = head_.keys(), values = head_.values();
  const std::uint16_t limit = f32_to_bf16(kLargestTileKey);
  const std::uint16_t* value_rows[kernels::kTileDepth] = {};
  for (std::int64_t k = 0; k < kernels::kTileDepth; ++k) {
    const std::uint16_t* row = nullptr;
    if (const std::int64_t j = key + k; j < head_.num_keys) {
      const bool wild = kernels::any_above(row_of(keys, j), keys.width, limit) ||
                        kernels::any_above(row_of(values, j), values.width, kLargestFinite);
      is_wild_[static_cast<std::size_t>(j - keys_.begin)] = wild ? 1 : 0;
      row = wild ? nullptr : row_of(keys, j);
      value_rows[k] = wild ? nullptr : row_of(values, j);
    }
    auto* tiles = const_cast<kernels::Tile*>(key_tiles(key + k));
    kernels::pack_key_column(row, keys.width, k % kernels::kTileColumns, tiles);
  }
  kernels::pack_values(value_rows, values.width, columns_,
                       const_cast<kernels::Tile*>(value_tiles(key)));
}

void PackedTiles::finish() {
  for (std::size_t i = 0; i < is_wild_.size(); ++i)
    if (is_wild_[i] != 0)
      wild_.push_back(static_cast<std::int32_t>(keys_.begin + static_cast<std::int64_t>(i)));
}

}  // namespace subquad
