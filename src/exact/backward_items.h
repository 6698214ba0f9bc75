// How the exact backward pass is cut into work items: from the shapes alone, never from the thread
// count.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "rows/backward_turns.h"
#include "rows/tile_sizes.h"

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

// A turn for each block of rows, heads after each other; the first key block that it sees is first.
std::int64_t count_row_blocks(std::span<const HeadRows> work, const BackwardBlocks& blocks);
void start_turns(std::span<const HeadRows> work, const BackwardBlocks& blocks, Turns& turns);

}  // namespace subquad
