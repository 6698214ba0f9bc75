// Memory for keys and values as tiles of bf16.
#pragma once

#include <cstdint>

#include "core/memory.h"
#include "kernels/tiles/tile_engine.h"
#include "rows/head_problem.h"
#include "rows/tile_keys.h"
#include "rows/tiled_keys.h"

namespace subquad {

class TileStore {
 public:
  // Room for so many places, whole steps, of a head's keys, in `pieces` of a key and of a value.
  // What was packed is lost.
  void reserve(const HeadProblem& head, std::int64_t places, const KeyPieces& pieces = {});

  // Half a step, from `place` on; different ones from different threads.
  void pack(std::int64_t place, const HalfStepRows& rows);
  // One piece of it, values in the keys' own order: what split weights meet.
  void pack_key_piece(std::int64_t place, int piece, const std::uint16_t* const* rows);
  void pack_value_piece(std::int64_t place, int piece, const std::uint16_t* const* rows);

  // What is packed, as these keys; without bias and wild places. Of use as long as this stays where
  // it is.
  TiledKeys view(const IndexList& keys) const;

 private:
  HeadProblem head_;
  KeyPieces pieces_;
  std::int64_t depth_ = 0, columns_ = 0;
  Scratch<kernels::Tile> key_tiles_, value_tiles_;
};

}  // namespace subquad
