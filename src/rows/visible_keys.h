// The keys of a head that any of its rows may see. What is drawn, hashed, sorted or clustered comes
// out of these: padding takes no place and has no influence.
#pragma once

#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "rows/head_problem.h"

namespace subquad {

class VisibleKeys {
 public:
  // Without an element mask O(1), else one pass over the mask's rows, from the last one back, until
  // no key is left that nobody has seen.
  explicit VisibleKeys(const HeadProblem& head);
  VisibleKeys(const VisibleKeys&) = delete;
  VisibleKeys& operator=(const VisibleKeys&) = delete;

  // All of them, ascending, and those in a range; lists live as long as this object. Contiguous
  // unless the element mask hides some for good.
  IndexList all() const { return list_; }
  IndexList inside(const Range& range) const;
  std::int64_t count() const { return list_.count; }

 private:
  std::vector<std::int32_t> ids_;
  IndexList list_;
};

// Whether the problem's masks leave the entry.
bool sees(const HeadProblem& head, std::int64_t row, std::int64_t key);

}  // namespace subquad
