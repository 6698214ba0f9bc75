// How the backward pass is cut into work items: from the shapes alone, never from the thread count.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/head_problem.h"
#include "core/index_list.h"

namespace subquad {

// Rows and keys that a thread works on at a time. The smaller blocks at a head's end let the
// threads finish together.
struct BackwardBlocks {
  std::int64_t rows;
  std::int64_t keys;
  std::int64_t last_keys;
};
BackwardBlocks backward_blocks(std::span<const HeadProblem> heads);

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

// A block of keys of one head, number `turn` among the head's blocks.
struct BackwardItem {
  const HeadProblem* head;
  std::int64_t first_slot;  // number of the head's first block of rows, over all heads
  std::int64_t turn;
  Range keys;
};

// Key blocks of a head in order, heads side by side: threads then rarely wait for each other.
std::vector<BackwardItem> backward_items(std::span<const HeadProblem> heads,
                                         const BackwardBlocks& blocks);

inline std::int64_t count_blocks(std::int64_t length, std::int64_t size) {
  return (length + size - 1) / size;
}

inline IndexList row_block(const HeadProblem& head, std::int64_t index, std::int64_t size) {
  const std::int64_t end = (index + 1) * size;
  return index_range(index * size, end < head.num_rows() ? end : head.num_rows());
}

}  // namespace subquad
