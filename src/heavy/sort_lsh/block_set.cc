#include "heavy/sort_lsh/block_set.h"

#include <algorithm>
#include <limits>

#include "rows/tile_sizes.h"

namespace subquad {
namespace {

constexpr std::int32_t kNoRowBlock = -1, kNoKeyBlock = -2;

// Part b of `parts` of a list.
std::span<const std::int32_t> cut(std::span<const std::int32_t> ids, std::int64_t b,
                                  std::int64_t parts) {
  const auto count = static_cast<std::int64_t>(ids.size());
  const std::int64_t begin = count * b / parts, end = count * (b + 1) / parts;
  return ids.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

}  // namespace

BlockSet::BlockSet(const HeadProblem& head, std::int64_t block, std::int64_t neighbors)
    : block_(block),
      neighbors_(neighbors),
      largest_group_(row_block_size(head.head_dim(), head.value_dim())),
      by_position_(head.has_band()),
      rows_(head.num_rows()),
      keys_(head.num_keys),
      row_block_(head.num_rows()),
      key_block_(head.num_keys) {
  std::fill_n(row_block_.data(), row_block_.size(), kNoRowBlock);
  std::fill_n(key_block_.data(), key_block_.size(), kNoKeyBlock);
}

void BlockSet::add(std::span<const std::int32_t> rows, std::span<const std::int32_t> keys) {
  if (rows.empty() || keys.empty()) return;
  const auto count = static_cast<std::int64_t>(keys.size());
  const std::int64_t blocks = (count + block_ - 1) / block_;
  rectangles_.push_back({static_cast<std::int64_t>(key_blocks_.size()), blocks, neighbors_});
  for (std::int64_t b = 0; b < blocks; ++b)
    add_block(static_cast<std::int32_t>(key_blocks_.size()), cut(rows, b, blocks),
              cut(keys, b, blocks));
}

// Copies a block's ids and labels them. Within a block the order is free: in the order of their
// positions, causal rows see a prefix of the keys.
IndexList BlockSet::place(std::span<const std::int32_t> ids, std::int32_t block,
                          Scratch<std::int32_t>& out, std::int64_t& used,
                          Scratch<std::int32_t>& labels) const {
  std::int32_t* begin = out.data() + used;
  std::copy(ids.begin(), ids.end(), begin);
  used += static_cast<std::int64_t>(ids.size());
  if (by_position_) std::sort(begin, out.data() + used);
  for (const std::int32_t id : ids) labels[id] = block;
  return {begin, 0, static_cast<std::int64_t>(ids.size()), by_position_};
}

void BlockSet::add_block(std::int32_t block, std::span<const std::int32_t> rows,
                         std::span<const std::int32_t> keys) {
  const IndexList placed = place(rows, block, rows_, used_rows_, row_block_);
  key_blocks_.push_back(place(keys, block, keys_, used_keys_, key_block_));
  rectangle_of_block_.push_back(static_cast<std::int32_t>(rectangles_.size()) - 1);
  add_groups(placed, block);
}

void BlockSet::add_groups(const IndexList& rows, std::int32_t block) {
  for (std::int64_t begin = 0; begin < rows.count; begin += largest_group_) {
    groups_.push_back(rows.slice(begin, std::min(largest_group_, rows.count - begin)));
    block_of_group_.push_back(block);
  }
}

void BlockSet::add_rest() {
  const std::int64_t first = used_rows_;
  for (std::int64_t row = 0; row < row_block_.size(); ++row)
    if (row_block_[row] == kNoRowBlock) rows_[used_rows_++] = static_cast<std::int32_t>(row);
  add_groups({rows_.data() + first, 0, used_rows_ - first, true}, kNoRowBlock);
}

const BlockRing& BlockSet::ring_of(std::int32_t block) const {
  const std::int32_t index = rectangle_of_block_[static_cast<std::size_t>(block)];
  return rectangles_[static_cast<std::size_t>(index)];
}

void BlockSet::add_runs(const IndexList& rows, std::int64_t group, RunList& runs) const {
  const std::int32_t block = block_of_group_[static_cast<std::size_t>(group)];
  if (block == kNoRowBlock) return;
  const BlockRing& ring = ring_of(block);
  const Range steps = ring.steps();
  for (std::int64_t step = steps.begin; step < steps.end; ++step)
    runs.add({.rows = {0, rows.count},
              .keys = key_blocks_[static_cast<std::size_t>(ring.at(block, step))]});
}

bool BlockSet::may_meet(const IndexList& rows, const IndexList& keys) const {
  if (neighbors_ > 0) return true;
  std::int32_t lowest = std::numeric_limits<std::int32_t>::max(), highest = kNoRowBlock;
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const std::int32_t block = row_block_[rows[i]];
    if (block == kNoRowBlock) continue;
    lowest = std::min(lowest, block);
    highest = std::max(highest, block);
  }
  if (highest == kNoRowBlock) return false;
  for (std::int64_t c = 0; c < keys.count; ++c) {
    const std::int32_t block = key_block_[keys[c]];
    if (block >= lowest && block <= highest) return true;
  }
  return false;
}

const std::int32_t* BlockSet::labels_of(const IndexList& keys, FilterScratch& scratch) const {
  if (keys.contiguous()) return key_block_.data() + keys.first;
  scratch.labels.resize(static_cast<std::size_t>(keys.count));
  for (std::int64_t c = 0; c < keys.count; ++c)
    scratch.labels[static_cast<std::size_t>(c)] = key_block_[keys[c]];
  return scratch.labels.data();
}

void BlockSet::remove(const IndexList& rows, const IndexList& keys, float* scores,
                      std::int64_t stride, FilterScratch& scratch) const {
  const std::int32_t* labels = labels_of(keys, scratch);
  for (std::int64_t r = 0; r < rows.count; ++r) {
    const std::int32_t block = row_block_[rows[r]];
    if (block == kNoRowBlock) continue;
    ring_of(block).mask(block, scores + r * stride, labels, keys.count);
  }
}

}  // namespace subquad
