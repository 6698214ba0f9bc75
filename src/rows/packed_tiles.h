// The keys and values of a head as tiles of bf16, packed once for all rows that meet them.
#pragma once

#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "core/memory.h"
#include "kernels/tiles/tile_engine.h"
#include "rows/head_problem.h"
#include "rows/tile_keys.h"

namespace subquad {

class PackedTiles {
 public:
  // For all keys that any row may see. (head_dim + value_dim, each rounded up to 32) * 2 bytes a
  // key.
  explicit PackedTiles(const HeadProblem& head);

  // Packs part i of so many, in any order on any thread; then call finish().
  std::int64_t parts() const { return keys_.parts(); }
  void pack(std::int64_t part);
  void finish() { keys_.finish(); }

  const HeadProblem& head() const { return head_; }
  const Range& keys() const { return keys_.range(); }
  std::int64_t depth() const { return depth_; }      // tiles along the head's dimension
  std::int64_t columns() const { return columns_; }  // and along the values'
  const kernels::Tile* key_tiles(std::int64_t key) const {
    return key_tiles_.data() + keys_.place(key) / kernels::kTileColumns * depth_;
  }
  const kernels::Tile* value_tiles(std::int64_t key) const {
    return value_tiles_.data() + keys_.place(key) / kernels::kTileDepth * columns_;
  }
  const std::vector<std::int32_t>& wild() const { return keys_.wild(); }

 private:
  HeadProblem head_;
  TileKeys keys_;
  std::int64_t depth_, columns_;
  Scratch<kernels::Tile> key_tiles_, value_tiles_;
};

}  // namespace subquad
