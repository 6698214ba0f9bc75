// What a part costs, so that what nobody can want to wait for is refused before it starts.
#pragma once

namespace subquad {

// For one head, counted from above in multiply-adds of exact attention, overheads included.
struct Work {
  double steps = 0;
  const char* remedy = "";  // in the words of the part's options: "fewer rounds or neighbors"
};

}  // namespace subquad
