#include "rows/packed_tiles.h"

#include <algorithm>

#include "kernels/tiles/tile_pack.h"

namespace subquad {

PackedTiles::PackedTiles(const HeadProblem& head)
    : head_(head),
      keys_(head, kLargestFiniteBf16),
      depth_(kernels::tiles_along(head.head_dim())),
      columns_(2 * kernels::tiles_along(head.value_dim())),
      key_tiles_(keys_.count() / kernels::kTileColumns * depth_),
      value_tiles_(keys_.count() / kernels::kTileDepth * columns_) {}

void PackedTiles::pack(std::int64_t part) {
  keys_.pack(part, [&](std::int64_t key, const HalfStepRows& rows) {
    const std::int64_t place = keys_.place(key);
    kernels::pack_key_columns(rows.keys, head_.head_dim(),
                              &key_tiles_[place / kernels::kTileColumns * depth_]);
    kernels::pack_values(rows.values, head_.value_dim(), columns_,
                         &value_tiles_[place / kernels::kTileDepth * columns_]);
  });
}

void PackedTiles::finish() {
  keys_.finish();
  for (const std::int32_t key : keys_.wild())
    wild_.push_back(static_cast<std::int32_t>(keys_.place(key)));
}

Range PackedTiles::places(const Range& keys) const {
  const std::int64_t step = kernels::kStepKeys;
  return {keys_.place(std::max(keys.begin, keys_.range().begin) / step * step),
          keys_.place(std::min(keys.end, keys_.range().end))};
}

TiledKeys PackedTiles::view() const {
  const Range& range = keys_.range();
  return {.head = &head_,
          .keys = index_range(range.begin, std::min(range.end, head_.num_keys)),
          .key_tiles = key_tiles_.data(),
          .value_tiles = value_tiles_.data(),
          .depth = depth_,
          .columns = columns_,
          .wild = wild_};
}

}  // namespace subquad
