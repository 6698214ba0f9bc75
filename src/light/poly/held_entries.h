// Which entries a polynomial model sums: rows and keys that no heavy set holds as a whole, and
// under a causal mask the keys before the row's chunk, whose own keys are the model's near field.
#pragma once

#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "rows/head_problem.h"
#include "rows/score_filter.h"
#include "rows/visible_keys.h"

namespace subquad {

class HeldEntries {
 public:
  // chunk: positions of a causal chunk, rounded up to whole groups of rows. `head` and the sets
  // must outlive this. O(rows + keys).
  HeldEntries(const HeadProblem& head, const EntrySets& heavy, std::int64_t chunk);

  bool holds_row(std::int64_t row) const { return rows_[static_cast<std::size_t>(row)] != 0; }
  bool holds(std::int64_t row, std::int64_t key) const {
    return holds_row(row) && keys_[static_cast<std::size_t>(key)] != 0 &&
           key < key_end(chunk_of(row));
  }

  // Without a causal mask there is one chunk, of all rows, and all keys are before it.
  std::int64_t chunks() const { return std::ssize(ends_); }
  std::int64_t chunk_rows() const { return chunk_rows_; }
  std::int64_t chunk_of(std::int64_t row) const { return row / chunk_rows_; }
  std::int64_t key_end(std::int64_t chunk) const { return ends_[static_cast<std::size_t>(chunk)]; }
  // Held keys, ascending, and how many of them are before a chunk.
  IndexList keys() const { return {ids_.data(), 0, std::ssize(ids_), true}; }
  std::int64_t held_before(std::int64_t chunk) const {
    return before_[static_cast<std::size_t>(chunk)];
  }
  // Held keys between the chunk and the one before.
  IndexList new_keys(std::int64_t chunk) const;

  bool holds_none(const IndexList& rows, const IndexList& keys) const;

 private:
  void leave_out(const WholeEntries& whole);
  void cut(const HeadProblem& head);

  std::vector<std::uint8_t> rows_, keys_;
  std::vector<std::int32_t> ids_;
  std::int64_t chunk_rows_;
  std::vector<std::int64_t> ends_, before_;
};

}  // namespace subquad
