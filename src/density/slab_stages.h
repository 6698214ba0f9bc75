// How a sample of the permuted points grows: a slab of whole blocks from a random place on.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "density/point_tiles.h"
#include "rows/head_problem.h"

namespace subquad {

class SlabStages {
 public:
  // Stages of a sample of `points`: 512 at first, a quarter more each time (at least 256), up to
  // all; or the first `fixed` alone, unless that is 0.
  SlabStages(std::int64_t points, std::int64_t fixed);

  std::int64_t size() const { return static_cast<std::int64_t>(end_.size()); }
  // Blocks of stage s of a slab from block `start` on: one range or, round the end, two.
  std::vector<Range> blocks(std::int64_t s, std::int64_t start) const;
  std::int64_t points_in(const Range& blocks) const;

 private:
  std::int64_t points_, blocks_;
  std::vector<std::int64_t> end_;  // of each stage, in blocks
};

}  // namespace subquad
