// The keys and values of a head as tiles of bf16, packed once for all rows that meet them.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "rows/tile_keys.h"
#include "rows/tile_store.h"

namespace subquad {

class PackedTiles {
 public:
  // For all keys that any row may see. (head_dim + value_dim, each rounded up to 32) * 2 bytes a
  // key.
  explicit PackedTiles(const HeadProblem& head);

  // Packs part i of so many, in any order on any thread; then call finish().
  std::int64_t parts() const { return keys_.parts(); }
  void pack(std::int64_t part);
  void finish();

  TiledKeys view() const;
  // Where keys [keys.begin, keys.end) of the head stand, whole steps.
  Range places(const Range& keys) const;

 private:
  std::int64_t num_keys_;
  TileKeys keys_;
  TileStore store_;
  std::vector<std::int32_t> wild_;  // places
};

}  // namespace subquad
