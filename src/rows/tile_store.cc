#include "rows/tile_store.h"

#include "kernels/tiles/tile_pack.h"

namespace subquad {
namespace {

void grow(Scratch<kernels::Tile>& tiles, std::int64_t count) {
  if (tiles.size() < count) tiles = Scratch<kernels::Tile>(count);
}

}  // namespace

void TileStore::reserve(const HeadProblem& head, std::int64_t places, const KeyPieces& pieces) {
  head_ = head;
  pieces_ = pieces;
  depth_ = kernels::tiles_along(head.head_dim());
  columns_ = 2 * kernels::tiles_along(head.value_dim());
  grow(key_tiles_, places / kernels::kTileColumns * depth_ * pieces.key);
  grow(value_tiles_, places / kernels::kTileDepth * columns_ * pieces.value);
}

void TileStore::pack(std::int64_t place, const HalfStepRows& rows) {
  kernels::pack_key_columns(rows.keys, head_.head_dim(),
                            &key_tiles_[place / kernels::kTileColumns * depth_], depth_);
  kernels::pack_values(rows.values, head_.value_dim(), columns_,
                       &value_tiles_[place / kernels::kTileDepth * columns_]);
}

void TileStore::pack_key_piece(std::int64_t place, int piece, const std::uint16_t* const* rows) {
  const std::int64_t column = place / kernels::kTileColumns * pieces_.key + piece;
  kernels::pack_key_columns(rows, head_.head_dim(), &key_tiles_[column * depth_],
                            pieces_.key * depth_);
}

void TileStore::pack_value_piece(std::int64_t place, int piece, const std::uint16_t* const* rows) {
  const std::int64_t half = place / kernels::kTileDepth * pieces_.value + piece;
  kernels::pack_pairs(rows, head_.value_dim(), columns_, &value_tiles_[half * columns_]);
}

TiledKeys TileStore::view(const IndexList& keys) const {
  return {.head = &head_,
          .keys = keys,
          .key_tiles = key_tiles_.data(),
          .value_tiles = value_tiles_.data(),
          .depth = depth_,
          .columns = columns_,
          .pieces = pieces_};
}

}  // namespace subquad
