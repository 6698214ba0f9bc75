#include "exact/forward.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <vector>

#include "exact/row_items.h"
#include "exact/skipped_tiles.h"
#include "exact/tile_forward.h"
#include "rows/attend_run.h"
#include "rows/tile_sizes.h"
#include "rows/write_rows.h"

namespace subquad {
namespace {

// Keys that rows drop together: as published, or the tile. Small ones are dropped more often.
std::int64_t skip_tile_size(std::int64_t tile) { return std::min<std::int64_t>(tile, 128); }

// What a thread needs to attend rows to keys.
class Worker {
 public:
  Worker(std::int64_t head_dim, std::int64_t value_dim, std::atomic<std::int64_t>& entries,
         SkippedTiles* skipped = nullptr)
      : rows_(head_dim, value_dim, long_block_size(head_dim, value_dim)),
        scratch_(head_dim, value_dim),
        entries_(&entries),
        skipped_(skipped) {
    if (skipped == nullptr) return;
    skips_.emplace(skipped->make_skips());
    scratch_.panel.set_skips(&*skips_);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    *entries_ += scratch_.panel.entries();
    if (skips_) skipped_->count(skips_->entries(), skips_->skipped());
  }

  Partial operator()(const RowItem& item, const Range& keys) {
    if (!skips_) return attend(*item.head, item.rows, keys).partial();
    skips_->begin(item.rows.count);
    const Partial sums = attend(*item.head, item.rows, keys, true).partial();
    skipped_->add(item, *skips_);
    return sums;
  }

  // Sums of the rows over the visible part of keys [range.begin, range.end).
  RowBlock& attend(const HeadProblem& head, const IndexList& rows, const Range& range,
                   bool packed = false) {
    rows_.load(head, rows);
    const std::int64_t step = skips_ ? skip_tile_size(scratch_.tile_keys) : scratch_.tile_keys;
    // Tiles start at multiples of the tile size, whatever the range: same tiles, same rounding.
    for (std::int64_t first = range.begin - range.begin % step; first < range.end; first += step) {
      const IndexList keys = index_range(first, std::min(first + step, range.end));
      attend_run(head, rows_, {.rows = {0, rows.count}, .keys = keys, .packed = packed}, {},
                 scratch_);
    }
    return rows_;
  }

 private:
  RowBlock rows_;
  TileScratch scratch_;
  std::atomic<std::int64_t>* entries_;
  SkippedTiles* skipped_;
  std::optional<TileSkips> skips_;
};

// Rows of the next block, of those left. No block ends so that a few rows remain: they would be
// streamed, and whether a row is must not depend on where its head stands in the batch.
std::int64_t next_block(std::int64_t left, std::int64_t size) {
  if (left <= size) return left;
  return left - size <= kMaxStreamedRows ? (left + 1) / 2 : size;
}

// Long blocks amortise packing, short ones let the threads finish together: the last quarter of all
// rows is cut short, and few rows have no long blocks.
std::vector<RowItem> make_items(std::span<const HeadProblem> heads) {
  std::int64_t total = 0, done = 0;
  for (const HeadProblem& head : heads) total += head.num_rows();
  std::vector<RowItem> items;
  for (const HeadProblem& head : heads) {
    const std::int64_t brief = row_block_size(head.head_dim(), head.value_dim());
    const std::int64_t lengthy =
        std::clamp(total / 96 * 12, brief, long_block_size(head.head_dim(), head.value_dim()));
    for (std::int64_t begin = 0, end = 0; begin < head.num_rows(); begin = end) {
      const std::int64_t size = done + lengthy <= total / 4 * 3 ? lengthy : brief;
      end = begin + next_block(head.num_rows() - begin, size);
      items.push_back(make_item(head, begin, end));
      done += end - begin;
    }
  }
  sort_by_work(items);
  return items;
}

void finish(const RowItem& item, const Partial& sums, const Outputs& outputs) {
  write_rows(*item.head, item.rows, sums, outputs);
  write_row_error(*item.head, item.rows, outputs, 0.0f);
}

void finish_skipped(const RowItem& item, const Partial& sums, const Outputs& outputs,
                    SkippedTiles& skipped) {
  for (std::int64_t i = 0; i < item.rows.count; ++i) {
    const RowError error = skipped.error_of(item, i, sums);
    skipped.set_error(item, i, error);
    write_row_error(*item.head, item.rows.slice(i, 1), outputs, error.absolute());
  }
  write_rows(*item.head, item.rows, sums, outputs);
}

std::string path_of(std::span<const RowItem> items, std::int64_t splits) {
  bool packed = false, streamed = false;
  for (const RowItem& item : items)
    (item.rows.count <= kMaxStreamedRows ? streamed : packed) = true;
  std::string path = packed && streamed ? "packed+streamed" : streamed ? "streamed" : "packed";
  return splits > 1 ? path + ":split" : path;
}

}  // namespace

ExactRun exact_forward_in_f32(std::span<const HeadProblem> heads, const Outputs& outputs,
                              int threads) {
  const std::vector<RowItem> items = make_items(heads);
  if (items.empty()) return {"empty", 0};
  std::atomic<std::int64_t> entries{0};
  const HeadProblem& any = *items.front().head;
  const std::int64_t tile = key_tile_size(any.head_dim(), any.value_dim());
  const std::int64_t splits = count_splits(items);
  run_items(
      items, {splits, tile, threads},
      [&] { return Worker(any.head_dim(), any.value_dim(), entries); },
      [&](const RowItem& item, const Partial& sums) { finish(item, sums, outputs); });
  return {path_of(items, splits), entries};
}

// As above, where rows drop tiles. Few rows are packed too.
ExactRun exact_forward_skipping(std::span<const HeadProblem> heads, const Outputs& outputs,
                                int threads, const ExactPrecision& precision) {
  const std::vector<RowItem> items = make_items(heads);
  if (items.empty()) return {"empty", 0};
  std::atomic<std::int64_t> entries{0};
  const HeadProblem& any = *items.front().head;
  const std::int64_t tile = skip_tile_size(key_tile_size(any.head_dim(), any.value_dim()));
  const std::int64_t splits = count_splits(items);
  SkippedTiles skipped(heads, precision, splits);
  run_items(
      items, {splits, tile, threads},
      [&] { return Worker(any.head_dim(), any.value_dim(), entries, &skipped); },
      [&](const RowItem& item, const Partial& sums) {
        finish_skipped(item, sums, outputs, skipped);
      });
  return {skipped.path() + (splits > 1 ? ":split" : ""), entries, false, skipped.totals(outputs)};
}

ExactRun exact_forward(std::span<const HeadProblem> heads, const Outputs& outputs, int threads,
                       const ExactPrecision& precision) {
  if (precision.skip > 0) return exact_forward_skipping(heads, outputs, threads, precision);
  std::vector<HeadProblem> on_tiles, others;
  for (const HeadProblem& head : heads)
    (tile_ways(head, precision).empty() ? others : on_tiles).push_back(head);
  if (on_tiles.empty()) return exact_forward_in_f32(heads, outputs, threads);
  const TileRun tiles =
      tile_forward(on_tiles, tile_ways(on_tiles.front(), precision), outputs, threads);
  ExactRun run{tiles.path, tiles.scored_entries, true, tiles.errors};
  const ExactRun rest = exact_forward_in_f32(others, outputs, threads);
  run.scored_entries += rest.scored_entries;
  if (rest.path != "empty") run.path += "+" + rest.path;
  return run;
}

void exact_rows(const HeadProblem& head, const IndexList& rows, const Outputs& outputs) {
  std::atomic<std::int64_t> entries{0};
  Worker worker(head.head_dim(), head.value_dim(), entries);
  const std::int64_t block = row_block_size(head.head_dim(), head.value_dim());
  for (std::int64_t begin = 0; begin < rows.count; begin += block) {
    const IndexList part = rows.slice(begin, std::min(block, rows.count - begin));
    // Packed: how many rows ended here, and with which neighbours, must not show in their bits.
    finish({&head, part, {}}, worker.attend(head, part, {0, head.num_keys}, true).partial(),
           outputs);
  }
}

}  // namespace subquad
