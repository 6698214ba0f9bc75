// How the exact backward pass is cut into work items: from the shapes alone, never from the thread
// count.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/head_problem.h"
#include "core/index_list.h"

namespace subquad {

// Ascending rows of a head that meet all its keys.
struct HeadRows {
  const HeadProblem* head;
  IndexList rows;
};

// The union of the keys that the mask's bands leave to ascending rows.
inline Range visible_to(const HeadProblem& head, const IndexList& rows) {
  return head.visible(rows[0], rows[rows.count - 1] + 1);
}

// Rows and keys that a thread works on at a time. The smaller blocks at a head's end let the
// threads finish together.
struct BackwardBlocks {
  std::int64_t rows;
  std::int64_t keys;
  std::int64_t last_keys;
};
BackwardBlocks backward_blocks(std::span<const HeadRows> work);

// The largest tile of keys that a backward pass may take, and the rows that meet it at a time: both
// sides and the scores stay in the second-level cache.
std::int64_t max_backward_keys(std::int64_t head_dim, std::int64_t value_dim);
inline constexpr std::int64_t kBackwardRows = 96;

// The blocks that a head's keys are cut into.
class KeyCuts {
 public:
  KeyCuts(std::int64_t num_keys, const BackwardBlocks& blocks);
  std::int64_t count() const;
  Range block(std::int64_t index) const;
  std::int64_t find(std::int64_t key) const;  // the block that holds it

 private:
  std::int64_t begin(std::int64_t index) const;
  std::int64_t num_keys_, size_, last_size_;
  std::int64_t large_;  // how many blocks have the full size
};

// A block of keys of one head, number `turn` among the head's blocks, and the rows that meet it.
struct BackwardItem {
  HeadRows work;
  std::int64_t first_slot;  // number of the head's first block of rows, over all heads
  std::int64_t turn;
  Range keys;
};

// Key blocks of a head in order, heads side by side: threads then rarely wait for each other.
std::vector<BackwardItem> backward_items(std::span<const HeadRows> work,
                                         const BackwardBlocks& blocks);

inline std::int64_t count_blocks(std::int64_t length, std::int64_t size) {
  return (length + size - 1) / size;
}

// Block `index` of a list cut into blocks of `size`.
inline IndexList list_block(const IndexList& list, std::int64_t index, std::int64_t size) {
  const std::int64_t begin = index * size, left = list.count - begin;
  return list.slice(begin, size < left ? size : left);
}

}  // namespace subquad
