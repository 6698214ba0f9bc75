// One thread's working memory for meeting rows with keys.
#pragma once

#include "exact/attend_tile.h"
#include "exact/forward.h"

namespace subquad {

struct TileScratch {
  TileScratch(std::int64_t head_dim, std::int64_t value_dim)
      : tile_keys(key_tile_size(head_dim, value_dim)),
        tile(head_dim, value_dim, tile_keys),
        panel(tile_keys) {}

  std::int64_t tile_keys;
  KeyTile tile;
  ScorePanel panel;
};

// Merges the listed keys into the rows, a packed tile at a time.
void attend_keys(const HeadProblem& head, RowBlock& rows, const IndexList& keys,
                 const EntrySets& taken, TileScratch& scratch);

}  // namespace subquad
