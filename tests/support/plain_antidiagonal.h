// Which blocks of keys a block of queries keeps by sums of scores along antidiagonals, from the
// definition, in double precision, for one head of a dense problem. Shares no code with the
// library.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "support/reference_attention.h"

namespace subquad::testing {

struct PlainAntidiagonal {
  std::int64_t block, stride;
  double threshold;
  bool strict;

  // Of the block of queries from `first` on; gap: how far the sum was from the threshold at the
  // nearest, as a share of the total (a tie within rounding says nothing).
  struct Choice {
    std::set<std::int64_t> blocks;
    double gap = 1;
  };
  Choice choose(const Problem& problem, std::int64_t b, std::int64_t h, std::int64_t first) const;
};

}  // namespace subquad::testing
