#include "rows/attend_run.h"

#include <algorithm>

namespace subquad {
namespace {

void attend_packed(const HeadProblem& head, RowBlock& rows, const KeyRun& run,
                   TileScratch& scratch) {
  for_each_tile(head, run, scratch, [&](const KeyTile& tile) {
    attend_tile(head, rows, run.rows, tile, scratch.left_out, scratch.panel);
  });
}

// Tile by tile, so that the scores fit the panel.
void attend_few(const HeadProblem& head, RowBlock& rows, const KeyRun& run, TileScratch& scratch) {
  for (std::int64_t begin = 0; begin < run.keys.count; begin += scratch.tile_keys) {
    const IndexList keys =
        run.keys.slice(begin, std::min(scratch.tile_keys, run.keys.count - begin));
    attend_streamed(head, rows, run.rows, keys, run.bias != nullptr ? run.bias + begin : nullptr,
                    scratch.left_out, scratch.panel);
  }
}

// On tiles, and in f32 what these refuse: for each row by itself, since another's numbers must not
// show in its bits.
void attend_on_tiles(const HeadProblem& head, RowBlock& rows, const KeyRun& run,
                     TileScratch& scratch) {
  const std::int64_t before = scratch.on_tiles->entries();
  const auto& refused = scratch.on_tiles->attend(head, rows, run, scratch.left_out);
  scratch.panel.count_entries(scratch.on_tiles->entries() - before);
  for (const auto& [row, places] : refused) {
    KeyRun rest = run;
    rest.rows = {row, row + 1};
    rest.keys = run.keys.slice(places.begin, places.end - places.begin);
    if (run.bias != nullptr) rest.bias = run.bias + places.begin;
    rest.tiles = {};
    attend_packed(head, rows, rest, scratch);
  }
}

}  // namespace

void collect_left_out(const KeyRun& run, const IndexList& rows, const EntrySets& taken,
                      EntrySets& left_out) {
  left_out.clear();
  if (run.leave_out != nullptr) left_out.push_back(run.leave_out);
  const IndexList part = rows.slice(run.rows.begin, run.rows.end - run.rows.begin);
  if (run.with_heavy) return;
  for (const EntrySet* set : taken)
    if (set->may_meet(part, run.keys)) left_out.push_back(set);
}

void attend_run(const HeadProblem& head, RowBlock& rows, const KeyRun& run, const EntrySets& taken,
                TileScratch& scratch) {
  if (run.rows.empty() || run.keys.count == 0) return;
  collect_left_out(run, rows.rows(), taken, scratch.left_out);
  rows.set_limits(run.limits);
  if (run.sums != Sums::both) rows.open_side(run.sums);
  const bool on_tiles = scratch.on_tiles && RunTiles::suits(run);
  const auto attend = on_tiles ? attend_on_tiles : is_streamed(run) ? attend_few : attend_packed;
  attend(head, rows, run, scratch);
  if (run.sums != Sums::both) rows.close_side();
  rows.set_limits({});
}

}  // namespace subquad
