#include "exact/tile_scratch.h"

#include <algorithm>

namespace subquad {

void attend_keys(const HeadProblem& head, RowBlock& rows, const IndexList& keys,
                 const EntrySets& taken, TileScratch& scratch) {
  for (std::int64_t begin = 0; begin < keys.count; begin += scratch.tile_keys) {
    scratch.tile.pack(head, keys.slice(begin, std::min(scratch.tile_keys, keys.count - begin)));
    attend_tile(head, rows, scratch.tile, taken, scratch.panel);
  }
}

}  // namespace subquad
