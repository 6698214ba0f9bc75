// Work items of exact attention: blocks of rows of a head, and the ways to share them out.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/index_list.h"
#include "core/threads.h"
#include "rows/head_problem.h"
#include "rows/partial.h"

namespace subquad {

// A block of rows of one head, and the keys that any of them may see.
struct RowItem {
  const HeadProblem* head;
  IndexList rows;
  Range keys;
};

inline RowItem make_item(const HeadProblem& head, std::int64_t begin, std::int64_t end) {
  return {&head, index_range(begin, end), head.visible(begin, end)};
}

// Most work first.
void sort_by_work(std::vector<RowItem>& items);

// Puts the items of a head together, so that its keys stay in the caches; the last quarter stay in
// the order of their work, so that the threads end together.
void group_by_head(std::vector<RowItem>& items);

// How many runs the keys are cut into: from the shapes alone, never from the thread count. `items`
// are sorted by work.
std::int64_t count_splits(std::span<const RowItem> items);

// The keys of an item in `splits` runs of whole tiles.
Range split_range(const RowItem& item, std::int64_t split, std::int64_t splits, std::int64_t tile);

// How items are run. make_worker() gives a thread's function: (item, range of keys) -> Partial.
struct RowSharing {
  std::int64_t splits = 1;
  std::int64_t tile = 1;  // keys that stay together
  int threads = 1;
};

template <typename MakeWorker, typename Finish>
void run_whole(std::span<const RowItem> items, const RowSharing& sharing,
               const MakeWorker& make_worker, const Finish& finish) {
  parallel_workers(sharing.threads, static_cast<std::int64_t>(items.size()), [&] {
    return [&, worker = make_worker()](std::int64_t i) mutable {
      const RowItem& item = items[static_cast<std::size_t>(i)];
      finish(item, worker(item, item.keys));
    };
  });
}

template <typename MakeWorker, typename Finish>
void run_split(std::span<const RowItem> items, const RowSharing& sharing,
               const MakeWorker& make_worker, const Finish& finish) {
  const auto count = static_cast<std::int64_t>(items.size());
  const std::int64_t splits = sharing.splits;
  std::int64_t rows = 0;
  for (const RowItem& item : items) rows = std::max(rows, item.rows.count);
  PartialBuffer buffer(count * splits * rows, items.front().head->value_dim());
  const Partial all = buffer.view(count * splits * rows);
  parallel_workers(sharing.threads, count * splits, [&] {
    return [&, worker = make_worker()](std::int64_t job) mutable {
      const RowItem& item = items[static_cast<std::size_t>(job / splits)];
      const Range keys = split_range(item, job % splits, splits, sharing.tile);
      copy_partial(worker(item, keys), all.slice(job * rows, item.rows.count));
    };
  });
  parallel_for(sharing.threads, count, [&](std::int64_t i) {
    const RowItem& item = items[static_cast<std::size_t>(i)];
    std::vector<Partial> parts;
    for (std::int64_t s = 0; s < splits; ++s)
      parts.push_back(all.slice((i * splits + s) * rows, item.rows.count));
    merge_tree(parts.data(), splits);
    finish(item, parts.front());
  });
}

// finish(item, its sums), once an item.
template <typename MakeWorker, typename Finish>
void run_items(std::span<const RowItem> items, const RowSharing& sharing,
               const MakeWorker& make_worker, const Finish& finish) {
  if (sharing.splits == 1)
    run_whole(items, sharing, make_worker, finish);
  else
    run_split(items, sharing, make_worker, finish);
}

}  // namespace subquad
