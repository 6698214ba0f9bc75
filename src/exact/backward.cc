#include "exact/backward.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <vector>

#include "core/threads.h"
#include "rows/backward_keys.h"
#include "rows/backward_rows.h"
#include "rows/backward_sums.h"
#include "rows/backward_tile.h"
#include "rows/backward_turns.h"
#include "rows/extreme_rows.h"
#include "exact/tile_backward.h"
#include "exact/tile_forward.h"

namespace subquad {
namespace {

// What a thread needs to take a block of keys past all rows that see it.
class Worker {
 public:
  Worker(const HeadProblem& any, const BackwardArguments& arguments, const BackwardBlocks& blocks,
         Turns& turns)
      : arguments_(arguments),
        wanted_(wanted_gradients(arguments)),
        block_rows_(blocks.rows),
        turns_(turns),
        rows_(any.head_dim(), any.value_dim(), blocks.rows),
        keys_(any.head_dim(), any.value_dim(), blocks.keys),
        sums_(any.head_dim(), any.value_dim(), blocks.keys),
        tile_(any.head_dim(), any.value_dim(), blocks.rows, blocks.keys, wanted_) {}

  // If another thread fails, the rest is left undone.
  void run(const BackwardItem& item) {
    const HeadProblem& head = *item.work.head;
    keys_.load(head, index_range(item.keys.begin, item.keys.end), nullptr, wanted_);
    const KeySums& sums = sums_.open(keys_.keys());
    for (std::int64_t i = 0; i < count_blocks(item.work.rows.count, block_rows_); ++i) {
      const IndexList rows = list_block(item.work.rows, i, block_rows_);
      const Range seen = visible_to(head, rows);
      if (std::max(seen.begin, item.keys.begin) >= std::min(seen.end, item.keys.end)) continue;
      rows_.load(head, arguments_, rows);
      tile_.run(head, rows_, {0, rows.count}, keys_, {nothing_, Sums::both}, sums);
      if (wanted_.query && !add_grad_query(head, item.first_slot + i, item.turn)) return;
    }
    sums_.flush(head, arguments_);  // no other item has these keys
  }

  std::int64_t entries() const { return tile_.entries(); }

 private:
  bool add_grad_query(const HeadProblem& head, std::int64_t slot, std::int64_t turn) {
    if (!turns_.wait(slot, static_cast<std::int32_t>(turn))) return false;
    rows_.add_grad_query(head, arguments_.grad_query);
    turns_.pass_on(slot);
    return true;
  }

  const BackwardArguments& arguments_;
  WantedGradients wanted_;
  std::int64_t block_rows_;
  Turns& turns_;
  BackwardRows rows_;
  BackwardKeys keys_;
  KeySumsBuffer sums_;
  BackwardTile tile_;
  EntrySets nothing_;
};

}  // namespace

std::int64_t exact_backward(std::span<const HeadProblem> heads, const BackwardArguments& arguments,
                            int threads) {
  clear_gradients(heads, arguments, threads);
  return add_whole_heads(heads, arguments, threads);
}

std::int64_t add_whole_heads(std::span<const HeadProblem> heads, const BackwardArguments& arguments,
                             int threads) {
  std::vector<HeadProblem> on_tiles;
  std::vector<HeadRows> others;
  for (const HeadProblem& head : heads)
    if (suits_tile_backward(head))
      on_tiles.push_back(head);
    else
      others.push_back({&head, index_range(0, head.num_rows())});
  return add_tile_backward(on_tiles, arguments, threads) +
         add_exact_backward(others, arguments, threads);
}

std::string exact_backward_path(std::span<const HeadProblem> heads) {
  const bool on_tiles = std::any_of(heads.begin(), heads.end(), suits_tile_backward);
  return on_tiles ? "exact:" + tile_path() : "exact";
}

std::int64_t add_exact_backward(std::span<const HeadRows> work, const BackwardArguments& arguments,
                                int threads) {
  if (work.empty()) return 0;
  const BackwardBlocks blocks = backward_blocks(work);
  const std::vector<BackwardItem> items = backward_items(work, blocks);
  Turns turns(count_row_blocks(work, blocks));
  start_turns(work, blocks, turns);
  std::atomic<std::int64_t> entries{0};
  const auto make_worker = [&] { return Worker(*work.front().head, arguments, blocks, turns); };
  parallel_workers(threads, static_cast<std::int64_t>(items.size()), [&] {
    return [&, worker = turns.guard(make_worker)](std::int64_t i) mutable {
      const std::int64_t before = worker.entries();
      turns.guard([&] { worker.run(items[static_cast<std::size_t>(i)]); });
      entries += worker.entries() - before;
    };
  });
  parallel_for(threads, std::ssize(work), [&](std::int64_t i) {
    const HeadRows& part = work[static_cast<std::size_t>(i)];
    add_extreme_rows(*part.head, part.rows, arguments);
  });
  return entries;
}

}  // namespace subquad
