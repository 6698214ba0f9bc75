#include "exact/forward.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "core/threads.h"
#include "rows/attend_run.h"
#include "rows/tile_sizes.h"
#include "rows/write_rows.h"

namespace subquad {
namespace {

constexpr std::int64_t kEnoughItems = 8;  // below this many work items, keys are split
constexpr std::int64_t kMinSplitKeys = 4096;

// What a thread needs to attend rows to keys.
class Worker {
 public:
  Worker(std::int64_t head_dim, std::int64_t value_dim, std::atomic<std::int64_t>& entries)
      : rows_(head_dim, value_dim, long_block_size(head_dim, value_dim)),
        scratch_(head_dim, value_dim),
        entries_(&entries) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() { *entries_ += scratch_.panel.entries(); }

  // Sums of the rows over the visible part of keys [range.begin, range.end).
  RowBlock& attend(const HeadProblem& head, const IndexList& rows, const Range& range,
                   bool packed = false) {
    rows_.load(head, rows);
    const std::int64_t step = scratch_.tile_keys;
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
};

// A block of rows of one head, and the keys that any of them may see.
struct Item {
  const HeadProblem* head;
  IndexList rows;
  Range keys;
};

std::int64_t work_of(const Item& item) {
  return item.rows.count * (item.keys.end - item.keys.begin);
}

// Rows of the next block, of those left. No block ends so that a few rows remain: they would be
// streamed, and whether a row is must not depend on where its head stands in the batch.
std::int64_t next_block(std::int64_t left, std::int64_t size) {
  if (left <= size) return left;
  return left - size <= kMaxStreamedRows ? (left + 1) / 2 : size;
}

// Long blocks amortise packing, short ones let the threads finish together: the last quarter of all
// rows is cut short, and few rows have no long blocks.
std::vector<Item> make_items(std::span<const HeadProblem> heads) {
  std::int64_t total = 0, done = 0;
  for (const HeadProblem& head : heads) total += head.num_rows();
  std::vector<Item> items;
  for (const HeadProblem& head : heads) {
    const std::int64_t brief = row_block_size(head.head_dim(), head.value_dim());
    const std::int64_t lengthy =
        std::clamp(total / 96 * 12, brief, long_block_size(head.head_dim(), head.value_dim()));
    for (std::int64_t begin = 0, end = 0; begin < head.num_rows(); begin = end) {
      const std::int64_t size = done + lengthy <= total / 4 * 3 ? lengthy : brief;
      end = begin + next_block(head.num_rows() - begin, size);
      items.push_back({&head, index_range(begin, end), head.visible(begin, end)});
      done += end - begin;
    }
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return work_of(a) > work_of(b); });
  return items;
}

void finish(const Item& item, const Partial& sums, const Outputs& outputs) {
  write_rows(*item.head, item.rows, sums, outputs);
  write_row_error(*item.head, item.rows, outputs, 0.0f);
}

void run_whole(std::span<const Item> items, const Outputs& outputs, int threads,
               std::atomic<std::int64_t>& entries) {
  const HeadProblem& any = *items.front().head;
  parallel_workers(threads, static_cast<std::int64_t>(items.size()), [&] {
    return [&, worker = Worker(any.head_dim(), any.value_dim(), entries)](std::int64_t i) mutable {
      const Item& item = items[static_cast<std::size_t>(i)];
      finish(item, worker.attend(*item.head, item.rows, item.keys).partial(), outputs);
    };
  });
}

// The keys of an item in `splits` runs of whole tiles.
Range split_range(const Item& item, std::int64_t split, std::int64_t splits) {
  const std::int64_t tile = key_tile_size(item.head->head_dim(), item.head->value_dim());
  const std::int64_t first = item.keys.begin / tile, last = (item.keys.end + tile - 1) / tile;
  const auto cut = [&](std::int64_t s) { return (first + (last - first) * s / splits) * tile; };
  return {std::max(cut(split), item.keys.begin), std::min(cut(split + 1), item.keys.end)};
}

void run_split(std::span<const Item> items, std::int64_t splits, const Outputs& outputs,
               int threads, std::atomic<std::int64_t>& entries) {
  const HeadProblem& any = *items.front().head;
  const auto count = static_cast<std::int64_t>(items.size());
  std::int64_t rows = 0;
  for (const Item& item : items) rows = std::max(rows, item.rows.count);
  PartialBuffer buffer(count * splits * rows, any.value_dim());
  const Partial all = buffer.view(count * splits * rows);
  parallel_workers(threads, count * splits, [&] {
    return
        [&, worker = Worker(any.head_dim(), any.value_dim(), entries)](std::int64_t job) mutable {
          const Item& item = items[static_cast<std::size_t>(job / splits)];
          RowBlock& done =
              worker.attend(*item.head, item.rows, split_range(item, job % splits, splits));
          copy_partial(done.partial(), all.slice(job * rows, item.rows.count));
        };
  });
  parallel_for(threads, count, [&](std::int64_t i) {
    const Item& item = items[static_cast<std::size_t>(i)];
    std::vector<Partial> parts;
    for (std::int64_t s = 0; s < splits; ++s)
      parts.push_back(all.slice((i * splits + s) * rows, item.rows.count));
    merge_tree(parts.data(), splits);
    finish(item, parts.front(), outputs);
  });
}

// How many runs the keys are cut into: from the shapes alone, never from the thread count.
std::int64_t count_splits(std::span<const Item> items) {
  const auto count = static_cast<std::int64_t>(items.size());
  if (count >= kEnoughItems) return 1;
  const Range& longest = items.front().keys;
  const std::int64_t by_length = (longest.end - longest.begin) / kMinSplitKeys;
  return std::clamp<std::int64_t>(by_length, 1, (kEnoughItems + count - 1) / count);
}

std::string path_of(std::span<const Item> items, std::int64_t splits) {
  bool packed = false, streamed = false;
  for (const Item& item : items) (item.rows.count <= kMaxStreamedRows ? streamed : packed) = true;
  std::string path = packed && streamed ? "packed+streamed" : streamed ? "streamed" : "packed";
  return splits > 1 ? path + ":split" : path;
}

}  // namespace

ExactRun exact_forward(std::span<const HeadProblem> heads, const Outputs& outputs, int threads) {
  const std::vector<Item> items = make_items(heads);
  if (items.empty()) return {"empty", 0};
  std::atomic<std::int64_t> entries{0};
  const std::int64_t splits = count_splits(items);
  if (splits == 1) {
    run_whole(items, outputs, threads, entries);
  } else {
    run_split(items, splits, outputs, threads, entries);
  }
  return {path_of(items, splits), entries};
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
