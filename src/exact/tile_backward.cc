#include "exact/tile_backward.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <vector>

#include "core/round_up.h"
#include "core/threads.h"
#include "exact/backward.h"
#include "exact/backward_items.h"
#include "exact/head_waves.h"
#include "exact/tile_forward.h"
#include "kernels/tiles/tile_engine.h"
#include "rows/backward_sums.h"
#include "rows/backward_turns.h"
#include "rows/gradient_block.h"

namespace subquad {
namespace {

constexpr std::int64_t kThreadBytes = 4 << 20, kMostBytes = 64 << 20;
constexpr BackwardBlocks kBlocks{kGradientRows, kGradientKeys, kGradientKeys};

// A head's packed tiles.
struct PackedHead {
  PackedHead(const HeadProblem& head, const BackwardArguments& arguments)
      : keys(head), rows(head, arguments, keys) {}
  GradientKeys keys;
  GradientRows rows;
};

std::int64_t packed_bytes(const HeadProblem& head) {
  const std::int64_t d = round_up(head.head_dim(), kernels::kTileDepth),
                     v = round_up(head.value_dim(), kernels::kTileDepth);
  return head.num_keys * (4 * d + 2 * v) + head.num_rows() * (4 * d + 4 * v);
}

// Calls pack(head, part) for all parts of all heads.
template <typename Parts, typename Pack>
void pack_parts(std::deque<PackedHead>& packed, int threads, const Parts& parts_of,
                const Pack& pack) {
  std::vector<std::pair<PackedHead*, std::int64_t>> parts;
  for (PackedHead& head : packed)
    for (std::int64_t i = 0; i < parts_of(head); ++i) parts.emplace_back(&head, i);
  parallel_for(threads, std::ssize(parts), [&](std::int64_t i) {
    const auto& [head, part] = parts[static_cast<std::size_t>(i)];
    pack(*head, part);
  });
}

// In place: rows refer to keys.
void pack_heads(std::span<const HeadProblem> heads, const BackwardArguments& arguments, int threads,
                std::deque<PackedHead>& packed) {
  for (const HeadProblem& head : heads) packed.emplace_back(head, arguments);
  pack_parts(
      packed, threads, [](PackedHead& head) { return head.keys.parts(); },
      [](PackedHead& head, std::int64_t part) { head.keys.pack(part); });
  for (PackedHead& head : packed) head.keys.finish();
  pack_parts(
      packed, threads, [](PackedHead& head) { return head.rows.parts(); },
      [](PackedHead& head, std::int64_t part) { head.rows.pack(part); });
}

// What a thread needs to take a block of keys past all rows that see it.
class TileWorker {
 public:
  TileWorker(const HeadProblem& any, const BackwardArguments& arguments, Turns& turns)
      : arguments_(arguments),
        turns_(turns),
        block_(*kernels::tile_engine(), any.head_dim(), any.value_dim()) {}

  // If another thread fails, the rest is left undone.
  void run(const BackwardItem& item, const PackedHead& packed) {
    const HeadProblem& head = *item.work.head;
    block_.start(head, packed.keys, item.keys);
    for (std::int64_t i = 0; i < count_blocks(item.work.rows.count, kBlocks.rows); ++i) {
      const IndexList rows = list_block(item.work.rows, i, kBlocks.rows);
      const Range seen = visible_to(head, rows);
      if (std::max(seen.begin, item.keys.begin) >= std::min(seen.end, item.keys.end)) continue;
      block_.add(packed.rows, {rows[0], rows[0] + rows.count});
      if (!arguments_.grad_query.empty() && !add_grad_query(item.first_slot + i, item.turn)) return;
    }
    block_.flush(arguments_);  // no other item has these keys
  }

  std::int64_t entries() const { return block_.entries(); }

 private:
  bool add_grad_query(std::int64_t slot, std::int64_t turn) {
    if (!turns_.wait(slot, static_cast<std::int32_t>(turn))) return false;
    block_.add_grad_query(arguments_.grad_query);
    turns_.pass_on(slot);
    return true;
  }

  const BackwardArguments& arguments_;
  Turns& turns_;
  GradientBlock block_;
};

std::vector<HeadRows> all_rows(std::span<const HeadProblem> heads) {
  std::vector<HeadRows> work;
  for (const HeadProblem& head : heads) work.push_back({&head, index_range(0, head.num_rows())});
  return work;
}

std::int64_t run_items(std::span<const HeadProblem> heads, const std::deque<PackedHead>& packed,
                       const BackwardArguments& arguments, int threads) {
  const std::vector<HeadRows> work = all_rows(heads);
  const std::vector<BackwardItem> items = backward_items(work, kBlocks);
  Turns turns(count_row_blocks(work, kBlocks));
  start_turns(work, kBlocks, turns);
  std::atomic<std::int64_t> entries{0};
  const auto make_worker = [&] { return TileWorker(heads.front(), arguments, turns); };
  parallel_workers(threads, std::ssize(items), [&] {
    return [&, worker = turns.guard(make_worker)](std::int64_t i) mutable {
      const BackwardItem& item = items[static_cast<std::size_t>(i)];
      const auto head = static_cast<std::size_t>(item.work.head - heads.data());
      const std::int64_t before = worker.entries();
      turns.guard([&] { worker.run(item, packed[head]); });
      entries += worker.entries() - before;
    };
  });
  return entries;
}

// Rows that tiles cannot do, in f32.
std::int64_t add_refused(std::span<const HeadProblem> heads, const std::deque<PackedHead>& packed,
                         const BackwardArguments& arguments, int threads) {
  std::int64_t entries = 0;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const std::vector<std::int32_t> rows = packed[i].rows.refused();
    const HeadRows work{&heads[i], {rows.data(), 0, std::ssize(rows), true}};
    if (!rows.empty()) entries += add_exact_backward({&work, 1}, arguments, threads);
  }
  return entries;
}

}  // namespace

bool suits_tile_backward(const HeadProblem& head) {
  return suits_tiles(head) && head.problem->mask.kind != MaskKind::additive;
}

std::int64_t add_tile_backward(std::span<const HeadProblem> heads,
                               const BackwardArguments& arguments, int threads) {
  std::int64_t entries = 0;
  for (std::size_t begin = 0, count = 0; begin < heads.size(); begin += count) {
    count = next_wave(heads.subspan(begin), kThreadBytes, kMostBytes, threads, packed_bytes);
    const std::span<const HeadProblem> wave = heads.subspan(begin, count);
    std::deque<PackedHead> packed;
    pack_heads(wave, arguments, threads, packed);
    entries += run_items(wave, packed, arguments, threads);
    entries += add_refused(wave, packed, arguments, threads);
  }
  return entries;
}

}  // namespace subquad
