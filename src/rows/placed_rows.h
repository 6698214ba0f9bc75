// The rows of a head that may take a place where rows are sorted together: those that see a key,
// with a finite query. Padded queries, whatever they hold, move nobody.
#pragma once

#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "rows/head_problem.h"

namespace subquad {

// Whether the problem's masks leave the row any key. O(keys) where they leave none.
bool sees_any(const HeadProblem& head, std::int64_t row);

class PlacedRows {
 public:
  // One pass over the queries and, with an element mask, over its rows up to the first seen key.
  explicit PlacedRows(const HeadProblem& head);
  PlacedRows(const PlacedRows&) = delete;
  PlacedRows& operator=(const PlacedRows&) = delete;

  // Ascending; the list lives as long as this object.
  IndexList all() const { return list_; }

 private:
  std::vector<std::int32_t> ids_;
  IndexList list_;
};

}  // namespace subquad
