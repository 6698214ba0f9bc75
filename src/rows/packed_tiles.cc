#include "rows/packed_tiles.h"

#include "kernels/tiles/tile_pack.h"

namespace subquad {
namespace {

constexpr std::uint16_t kLargestFinite = 0x7F7F;

}  // namespace

PackedTiles::PackedTiles(const HeadProblem& head)
    : head_(head),
      keys_(head, kLargestFinite),
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

}  // namespace subquad
