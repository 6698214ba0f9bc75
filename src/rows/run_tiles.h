// Runs of keys on tiles of bf16: one thread's memory.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/key_run.h"
#include "rows/listed_tiles.h"
#include "rows/tile_block.h"

namespace subquad {

// Whether the run has so few rows that they read its keys where they lie; nothing is packed.
bool is_streamed(const KeyRun& run);

class RunTiles {
 public:
  RunTiles(const kernels::TileEngine& engine, std::int64_t head_dim, std::int64_t value_dim);

  // Whether all that the run asks for can be had on tiles, and it is worth its packing. That is not
  // by any number that the tensors hold: the length of a list that was drawn by values may be up to
  // some that a row does not see.
  static bool suits(const KeyRun& run);

  // Rows of a block and a part of a run's keys that tiles could not do: a position in the block and
  // places of the run's list.
  struct Refused {
    std::int64_t row;
    Range places;
  };
  // Merges the run into the rows' sums, less the entries in `left_out`; what is refused is left to
  // the caller, in f32.
  const std::vector<Refused>& attend(const HeadProblem& head, RowBlock& rows, const KeyRun& run,
                                     const EntrySets& left_out);

  // Score entries evaluated so far.
  std::int64_t entries() const { return block_.entries(); }

 private:
  // Meets part of the run's list, which stands at these places of the tiles.
  void attend_part(RowBlock& rows, const KeyRun& run, const Range& part, const EntrySets& left_out,
                   const TiledKeys& tiles, const Range& places);

  std::int64_t capacity_, tile_keys_;
  TileBlock block_;
  ListedTiles own_, shared_;
  std::vector<Refused> refused_;
};

}  // namespace subquad
