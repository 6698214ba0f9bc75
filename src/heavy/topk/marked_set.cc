#include "heavy/topk/marked_set.h"

#include <limits>
#include <utility>

#include "rows/tile_sizes.h"
#include "kernels/select.h"

namespace subquad {
namespace {

void mask_row(const KeptBits& kept, std::int64_t row, const IndexList& keys, bool marked,
              float* scores) {
  if (keys.contiguous()) {
    const auto mask = marked ? kernels::mask_marked : kernels::mask_unmarked;
    return mask(scores, kept.row(row), keys.first, keys.count);
  }
  for (std::int64_t c = 0; c < keys.count; ++c)
    if (kept.has(row, keys.ids[c]) == marked) scores[c] = -std::numeric_limits<float>::infinity();
}

void mask_rows(const KeptBits& kept, const IndexList& rows, const IndexList& keys, bool marked,
               float* scores, std::int64_t stride) {
  if (keys.count == 0) return;
  for (std::int64_t r = 0; r < rows.count; ++r) {
    mask_row(kept, rows[r], keys, marked, scores + r * stride);
    kept.prefetch(rows[r] + rows.count, keys[0]);  // the next rows meet the same keys
  }
}

// The keys that the rows may see, from the start of a tile to the end of one.
Range whole_tiles(const HeadProblem& head, const IndexList& rows, std::int64_t tile) {
  const Range seen =
      rows.sorted() ? head.visible(rows[0], rows[rows.count - 1] + 1) : Range{0, head.num_keys};
  const std::int64_t begin = seen.begin / tile * tile;
  return {begin, std::max(begin, std::min((seen.end + tile - 1) / tile * tile, head.num_keys))};
}

}  // namespace

MarkedSet::MarkedSet(const HeadProblem& head, KeptBits kept, std::vector<KeyTile> tiles)
    : head_(head), kept_(std::move(kept)), tiles_(std::move(tiles)), unmarked_(kept_) {}

void MarkedSet::add_runs(const IndexList& rows, std::int64_t, RunList& runs) const {
  if (rows.count == 0) return;
  const std::int64_t tile = key_tile_size(head_.head_dim(), head_.value_dim());
  const Range keys = whole_tiles(head_, rows, tile);
  KeyRun run{
      .rows = {0, rows.count}, .keys = index_range(keys.begin, keys.end), .leave_out = &unmarked_};
  if (!tiles_.empty())
    run.tiles = std::span(tiles_).subspan(
        static_cast<std::size_t>(keys.begin / tile),
        static_cast<std::size_t>((keys.end - keys.begin + tile - 1) / tile));
  runs.add(run);
}

void MarkedSet::remove(const IndexList& rows, const IndexList& keys, float* scores,
                       std::int64_t stride, FilterScratch&) const {
  mask_rows(kept_, rows, keys, true, scores, stride);
}

void MarkedSet::Unmarked::remove(const IndexList& rows, const IndexList& keys, float* scores,
                                 std::int64_t stride, FilterScratch&) const {
  mask_rows(kept_, rows, keys, false, scores, stride);
}

}  // namespace subquad
