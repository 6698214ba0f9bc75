// One thread's working memory for meeting rows with keys.
#pragma once

#include <optional>

#include "rows/attend_tile.h"
#include "rows/key_run.h"
#include "rows/run_tiles.h"
#include "rows/tile_sizes.h"

namespace subquad {

struct TileScratch {
  // With an engine, runs that suit it meet their rows on tiles of bf16.
  TileScratch(std::int64_t head_dim, std::int64_t value_dim,
              const kernels::TileEngine* engine = nullptr)
      : tile_keys(key_tile_size(head_dim, value_dim)),
        tile(head_dim, value_dim, tile_keys),
        panel(tile_keys),
        loaded(head_dim, value_dim, tile_keys) {
    if (engine != nullptr) on_tiles.emplace(*engine, head_dim, value_dim);
  }

  std::int64_t tile_keys;
  KeyTile tile;
  ScorePanel panel;
  EntrySets left_out;
  LoadedKeys loaded;
  std::optional<RunTiles> on_tiles;
};

// Merges a run of keys into the rows it is for, less the entries in `taken`: tile by tile, packed
// here unless it comes packed; few rows read the keys where they lie. On tiles of bf16 where that
// suits: then weights are rounded (rows/tile_block.h).
void attend_run(const HeadProblem& head, RowBlock& rows, const KeyRun& run, const EntrySets& taken,
                TileScratch& scratch);

// What the run must leave out: its own exceptions, and the sets in `taken` that it may meet.
void collect_left_out(const KeyRun& run, const IndexList& rows, const EntrySets& taken,
                      EntrySets& left_out);

// Calls visit(tile) for the run's keys, packed into scratch.tile where they are not packed yet.
template <typename Visit>
void for_each_tile(const HeadProblem& head, const KeyRun& run, TileScratch& scratch,
                   const Visit& visit) {
  for (const KeyTile& tile : run.tiles) visit(tile);
  if (!run.tiles.empty()) return;
  for (std::int64_t begin = 0; begin < run.keys.count; begin += scratch.tile_keys) {
    const std::int64_t count = std::min(scratch.tile_keys, run.keys.count - begin);
    const IndexList keys = run.keys.slice(begin, count);
    if (run.source != nullptr)
      scratch.loaded.pack(*run.source, keys, scratch.tile);
    else
      scratch.tile.pack(head, keys, run.bias != nullptr ? run.bias + begin : nullptr);
    visit(scratch.tile);
  }
}

}  // namespace subquad
