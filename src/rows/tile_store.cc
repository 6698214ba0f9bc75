#include "rows/tile_store.h"

#include "kernels/tiles/tile_pack.h"

namespace subquad {
namespace {

void grow(Scratch<kernels::Tile>& tiles, std::int64_t count) {
  if (tiles.size() < count) tiles = Scratch<kernels::Tile>(count);
}

}  // namespace

void TileStore::reserve(const HeadProblem& head, std::int64_t places) {
  head_ = head;
  depth_ = kernels::tiles_along(head.head_dim());
  columns_ = 2 * kernels::tiles_along(head.value_dim());
  grow(key_tiles_, places / kernels::kTileColumns * depth_);
  grow(value_tiles_, places / kernels::kTileDepth * columns_);
}

void TileStore::pack(std::int64_t place, const HalfStepRows& rows) {
  kernels::pack_key_columns(rows.keys, head_.head_dim(),
                            &key_tiles_[place / kernels::kTileColumns * depth_]);
  kernels::pack_values(rows.values, head_.value_dim(), columns_,
                       &value_tiles_[place / kernels::kTileDepth * columns_]);
}

TiledKeys TileStore::view(const IndexList& keys) const {
  return {.head = &head_,
          .keys = keys,
          .key_tiles = key_tiles_.data(),
          .value_tiles = value_tiles_.data(),
          .depth = depth_,
          .columns = columns_};
}

}  // namespace subquad
