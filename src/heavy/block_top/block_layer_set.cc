#include "heavy/block_top/block_layer_set.h"

#include <algorithm>
#include <limits>

#include "rows/tile_sizes.h"

namespace subquad {

BlockLayerSet::BlockLayerSet(const HeadProblem& head, const RowLists& lists, std::int64_t layer,
                             std::int64_t block)
    : head_(head), block_(block) {
  for (std::int64_t row = 0; row < head.num_rows(); ++row) {
    const auto list = lists.row(row);
    block_of_.push_back(layer < std::ssize(list) ? list[static_cast<std::size_t>(layer)] : -1);
  }
  group_rows(count_blocks(head.num_keys, block));
}

// Ascending rows of a block, as many as are worked on at a time: rows that come later change
// nothing of the groups before them.
void BlockLayerSet::group_rows(std::int64_t blocks) {
  const std::int64_t largest = row_block_size(head_.head_dim(), head_.value_dim());
  std::vector<std::vector<std::int32_t>> rows(static_cast<std::size_t>(blocks));
  for (std::size_t row = 0; row < block_of_.size(); ++row)
    if (block_of_[row] >= 0)
      rows[static_cast<std::size_t>(block_of_[row])].push_back(static_cast<std::int32_t>(row));
  for (const auto& list : rows) row_ids_.insert(row_ids_.end(), list.begin(), list.end());
  std::int64_t first = 0;
  for (const auto& list : rows) {
    for (std::int64_t begin = 0; begin < std::ssize(list); begin += largest)
      groups_.push_back(
          {row_ids_.data() + first + begin, 0, std::min(largest, std::ssize(list) - begin), true});
    first += std::ssize(list);
  }
}

Range BlockLayerSet::keys_of(std::int32_t block) const {
  return {block * block_, std::min((block + 1) * block_, head_.num_keys)};
}

void BlockLayerSet::add_runs(const IndexList& rows, std::int64_t, RunList& runs) const {
  const Range keys = keys_of(block_of_[static_cast<std::size_t>(rows[0])]);
  runs.add({.rows = {0, rows.count},
            .keys = index_range(keys.begin, keys.end),
            .packed = true});  // how many rows chose the block must not show in their bits
}

bool BlockLayerSet::may_meet(const IndexList& rows, const IndexList& keys) const {
  if (keys.count == 0) return false;
  if (!keys.sorted()) return true;
  const Range all{keys[0], keys[keys.count - 1] + 1};
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const std::int32_t block = block_of_[static_cast<std::size_t>(rows[i])];
    if (block < 0) continue;
    const Range held = keys_of(block);
    if (held.begin < all.end && all.begin < held.end) return true;
  }
  return false;
}

void BlockLayerSet::remove(const IndexList& rows, const IndexList& keys, float* scores,
                           std::int64_t stride, FilterScratch&) const {
  for (std::int64_t r = 0; r < rows.count; ++r) {
    const std::int32_t block = block_of_[static_cast<std::size_t>(rows[r])];
    if (block >= 0) mask_keys_inside(keys, keys_of(block), scores + r * stride);
  }
}

}  // namespace subquad
