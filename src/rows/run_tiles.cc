#include "rows/run_tiles.h"

#include <algorithm>
#include <cmath>

#include "core/round_up.h"
#include "kernels/tiles/tile_pack.h"
#include "rows/attend_tile.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

constexpr std::int64_t kFewestKeys = 32;        // half a step
constexpr std::int64_t kTileBytes = 1 << 18;    // keys and values of a part, packed
constexpr std::int64_t kSharedBytes = 4 << 20;  // likewise, of a list that many rows meet

std::int64_t key_bytes(std::int64_t head_dim, std::int64_t value_dim) {
  return 2 * (round_up(head_dim, kernels::kTileDepth) + round_up(value_dim, kernels::kTileDepth));
}

// Whether the list is a sample whose length and weights are up to what the tensors hold.
bool is_drawn_by_values(const KeyRun& run) {
  return run.bias != nullptr && (run.sample.draws == 0 || run.sample.single);
}

}  // namespace

RunTiles::RunTiles(const kernels::TileEngine& engine, std::int64_t head_dim, std::int64_t value_dim)
    : capacity_(round_up(row_block_size(head_dim, value_dim), kernels::kPanelRows)),
      tile_keys_(std::max<std::int64_t>(
                     kTileBytes / key_bytes(head_dim, value_dim) / kernels::kStepKeys, 1) *
                 kernels::kStepKeys),
      block_(engine, head_dim, value_dim, capacity_) {}

bool is_streamed(const KeyRun& run) {
  return run.rows.end - run.rows.begin <= kMaxStreamedRows && run.tiles.empty() &&
         run.source == nullptr && !run.packed;
}

bool RunTiles::suits(const KeyRun& run) {
  const bool short_list = run.keys.count < kFewestKeys && !is_drawn_by_values(run);
  return !is_streamed(run) && !short_list && !run.in_f32 && run.source == nullptr &&
         run.limits.log2 == nullptr;
}

const std::vector<RunTiles::Refused>& RunTiles::attend(const HeadProblem& head, RowBlock& rows,
                                                       const KeyRun& run,
                                                       const EntrySets& left_out) {
  refused_.clear();
  // Lists that come packed are those of many groups of rows. They are met in the same parts.
  const std::int64_t most = kSharedBytes / key_bytes(head.head_dim(), head.value_dim());
  const bool shared = !run.tiles.empty() && run.keys.count <= most;
  const bool one_weight = !is_drawn_by_values(run);
  if (shared) shared_.keep(head, run.keys, run.bias, one_weight);
  for (std::int64_t begin = 0; begin < run.keys.count; begin += tile_keys_) {
    const Range part{begin, std::min(begin + tile_keys_, run.keys.count)};
    if (shared) {
      attend_part(rows, run, part, left_out, shared_.view(), part);
      continue;
    }
    const std::int64_t count = part.end - part.begin;
    own_.pack(head, run.keys.slice(begin, count), run.bias != nullptr ? run.bias + begin : nullptr,
              one_weight);
    attend_part(rows, run, part, left_out, own_.view(), {0, count});
  }
  return refused_;
}

void RunTiles::attend_part(RowBlock& rows, const KeyRun& run, const Range& part,
                           const EntrySets& left_out, const TiledKeys& tiles, const Range& places) {
  for (std::int64_t begin = run.rows.begin; begin < run.rows.end; begin += capacity_) {
    const std::int64_t count = std::min(capacity_, run.rows.end - begin);
    const Partial sums =
        block_.attend(tiles, rows.rows().slice(begin, count), places, left_out, run.sums);
    for (std::int64_t i = 0; i < count; ++i) {
      if (std::isnan(sums.m[i]))
        refused_.push_back({begin + i, part});
      else
        merge_into(rows.partial().slice(begin + i, 1), sums.slice(i, 1));
    }
  }
}

}  // namespace subquad
