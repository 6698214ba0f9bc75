#include "exact/backward.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "core/threads.h"
#include "exact/backward_items.h"
#include "exact/backward_keys.h"
#include "exact/backward_rows.h"
#include "exact/backward_tile.h"
#include "exact/backward_turns.h"
#include "kernels/backward.h"

namespace subquad {
namespace {

// Zeroes grad_query.
void clear_rows(std::span<const HeadProblem> heads, const MutableTensorView& view, int threads) {
  if (view.empty()) return;
  parallel_for(threads, static_cast<std::int64_t>(heads.size()), [&](std::int64_t i) {
    const HeadProblem& head = heads[static_cast<std::size_t>(i)];
    for (std::int64_t row = 0; row < head.num_rows(); ++row)
      std::fill_n(static_cast<float*>(head.row_in(view, row)), view.channels(), 0.0f);
  });
}

// The first key block that a block of rows sees has its first turn.
void start_turns(std::span<const HeadProblem> heads, const BackwardBlocks& blocks, Turns& turns) {
  std::int64_t slot = 0;
  for (const HeadProblem& head : heads) {
    const KeyCuts cuts(head.num_keys, blocks);
    for (std::int64_t begin = 0; begin < head.num_rows(); begin += blocks.rows, ++slot) {
      const std::int64_t end = std::min(begin + blocks.rows, head.num_rows());
      turns.start(slot, static_cast<std::int32_t>(cuts.find(head.visible(begin, end).begin)));
    }
  }
}

// What a thread needs to take a block of keys past all rows that see it.
class Worker {
 public:
  Worker(const HeadProblem& any, const BackwardArguments& arguments, const BackwardBlocks& blocks,
         Turns& turns)
      : arguments_(arguments),
        wanted_(wanted_gradients(arguments)),
        block_rows_(blocks.rows),
        turns_(turns),
        scale_(resolved_scale(*any.problem)),
        rows_(any.head_dim(), any.value_dim(), blocks.rows),
        keys_(any.head_dim(), any.value_dim(), blocks.keys),
        tile_(any.head_dim(), blocks.rows, blocks.keys) {}

  // Returns the score entries evaluated. If another thread fails, the rest is left undone.
  std::int64_t run(const BackwardItem& item) {
    const HeadProblem& head = *item.head;
    std::int64_t entries = 0;
    keys_.load(head, index_range(item.keys.begin, item.keys.end), wanted_);
    for (std::int64_t i = 0; i * block_rows_ < head.num_rows(); ++i) {
      const IndexList rows = row_block(head, i, block_rows_);
      const Range seen = head.visible(rows.first, rows.first + rows.count);
      if (std::max(seen.begin, item.keys.begin) >= std::min(seen.end, item.keys.end)) continue;
      rows_.load(head, arguments_, rows);
      entries += tile_.run(head, rows_, keys_, wanted_);
      if (wanted_.query && !add_grad_query(head, item.first_slot + i, item.turn)) return entries;
    }
    keys_.store(head, arguments_);
    return entries;
  }

 private:
  bool add_grad_query(const HeadProblem& head, std::int64_t slot, std::int64_t turn) {
    if (!turns_.wait(slot, static_cast<std::int32_t>(turn))) return false;
    const MutableTensorView& view = arguments_.grad_query;
    for_each_head(head, rows_.rows(), [&](const HeadRows& part) {
      kernels::add_rows(tile_.grad_query(part.begin), part.step * tile_.grad_query_stride(),
                        part.count, head.head_dim(), scale_,
                        static_cast<float*>(head.row_in(view, part.row)), view.stride[2]);
    });
    turns_.pass_on(slot);
    return true;
  }

  const BackwardArguments& arguments_;
  WantedGradients wanted_;
  std::int64_t block_rows_;
  Turns& turns_;
  float scale_;
  BackwardRows rows_;
  BackwardKeys keys_;
  BackwardTile tile_;
};

}  // namespace

std::int64_t exact_backward(std::span<const HeadProblem> heads, const BackwardArguments& arguments,
                            int threads) {
  if (heads.empty()) return 0;
  clear_rows(heads, arguments.grad_query, threads);
  const BackwardBlocks blocks = backward_blocks(heads);
  const std::vector<BackwardItem> items = backward_items(heads, blocks);
  std::int64_t slots = 0;
  for (const HeadProblem& head : heads) slots += count_blocks(head.num_rows(), blocks.rows);
  Turns turns(slots);
  start_turns(heads, blocks, turns);
  std::atomic<std::int64_t> entries{0};
  const auto make_worker = [&] { return Worker(heads.front(), arguments, blocks, turns); };
  parallel_workers(threads, static_cast<std::int64_t>(items.size()), [&] {
    return [&, worker = turns.guard(make_worker)](std::int64_t i) mutable {
      entries += turns.guard([&] { return worker.run(items[static_cast<std::size_t>(i)]); });
    };
  });
  return entries;
}

}  // namespace subquad
