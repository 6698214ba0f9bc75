#include "exact/backward_items.h"

#include <algorithm>

namespace subquad {
namespace {

// Multiples of the register block and the panel width of every instruction set.
constexpr std::int64_t kMinKeys = 96;
constexpr std::int64_t kEnoughItems = 16;  // with fewer key blocks, blocks are made smaller
constexpr std::int64_t kManyItems = 64;    // with more, the last one does not matter
constexpr std::int64_t kLastBlocks = 4;

}  // namespace

BackwardBlocks backward_blocks(std::span<const HeadRows> work) {
  const HeadProblem& any = *work.front().head;
  std::int64_t total_keys = 0;
  for (const HeadRows& part : work) total_keys += part.head->num_keys;
  const std::int64_t spread = count_blocks(total_keys / kEnoughItems, kMinKeys) * kMinKeys;
  const std::int64_t keys =
      std::clamp(spread, kMinKeys, max_backward_keys(any.head_dim(), any.value_dim()));
  const bool many = total_keys / keys > kManyItems;
  return {kBackwardRows, keys, many ? keys : std::max(kMinKeys, keys / 2)};
}

KeyCuts::KeyCuts(std::int64_t num_keys, const BackwardBlocks& blocks)
    : num_keys_(num_keys),
      size_(blocks.keys),
      last_size_(blocks.last_keys),
      large_(std::max<std::int64_t>(0, num_keys / blocks.keys - kLastBlocks)) {}

std::int64_t KeyCuts::count() const {
  return large_ + count_blocks(num_keys_ - large_ * size_, last_size_);
}

std::int64_t KeyCuts::begin(std::int64_t index) const {
  if (index <= large_) return index * size_;
  return std::min(large_ * size_ + (index - large_) * last_size_, num_keys_);
}

Range KeyCuts::block(std::int64_t index) const { return {begin(index), begin(index + 1)}; }

std::int64_t KeyCuts::find(std::int64_t key) const {
  return key < large_ * size_ ? key / size_ : large_ + (key - large_ * size_) / last_size_;
}

std::vector<BackwardItem> backward_items(std::span<const HeadRows> work,
                                         const BackwardBlocks& blocks) {
  std::vector<BackwardItem> items;
  std::int64_t first_slot = 0;
  for (const HeadRows& part : work) {
    const KeyCuts cuts(part.head->num_keys, blocks);
    for (std::int64_t turn = 0; turn < cuts.count(); ++turn)
      items.push_back({part, first_slot, turn, cuts.block(turn)});
    first_slot += count_blocks(part.rows.count, blocks.rows);
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const BackwardItem& a, const BackwardItem& b) { return a.turn < b.turn; });
  return items;
}

std::int64_t count_row_blocks(std::span<const HeadRows> work, const BackwardBlocks& blocks) {
  std::int64_t count = 0;
  for (const HeadRows& part : work) count += count_blocks(part.rows.count, blocks.rows);
  return count;
}

void start_turns(std::span<const HeadRows> work, const BackwardBlocks& blocks, Turns& turns) {
  std::int64_t slot = 0;
  for (const auto& [head, rows] : work) {
    const KeyCuts cuts(head->num_keys, blocks);
    for (std::int64_t i = 0; i < count_blocks(rows.count, blocks.rows); ++i, ++slot) {
      const Range seen = visible_to(*head, list_block(rows, i, blocks.rows));
      turns.start(slot, static_cast<std::int32_t>(cuts.find(seen.begin)));
    }
  }
}

}  // namespace subquad
