// The keys and values of a head as tiles of bf16, packed once for all rows that meet them.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "rows/step_norms.h"
#include "rows/tile_keys.h"
#include "rows/tile_store.h"

namespace subquad {

class PackedTiles {
 public:
  // For all keys that any row may see. (head_dim + value_dim, each rounded up to 32) * 2 bytes a
  // key. order > 0: split for products up to that order (rows/split_error.h), keys and values of
  // any type; that many bytes for each piece.
  explicit PackedTiles(const HeadProblem& head, int order = 0);

  // Packs part i of so many, in any order on any thread; then call finish().
  std::int64_t parts() const { return keys_.parts(); }
  void pack(std::int64_t part);
  void finish();

  TiledKeys view() const;
  // Where keys [keys.begin, keys.end) of the head stand, whole steps.
  Range places(const Range& keys) const;

 private:
  void pack_split(std::int64_t part);

  HeadProblem head_;
  KeyPieces pieces_;
  bool split_;
  TileKeys keys_;
  TileStore store_;
  std::vector<std::int32_t> wild_;  // places
  std::vector<StepNorms> norms_;    // of split keys
};

}  // namespace subquad
