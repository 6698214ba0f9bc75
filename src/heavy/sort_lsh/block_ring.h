// Key blocks that are met together with their neighbours, round the end: the Gray order of the
// buckets is cyclic.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/filter.h"
#include "rows/head_problem.h"

namespace subquad {

// Blocks first .. first + count - 1; each meets `neighbors` blocks on either side.
struct BlockRing {
  std::int64_t first, count, neighbors;

  // Steps to the first and past the last block that a block meets: none is met twice.
  Range steps() const {
    return {-std::min(neighbors, (count - 1) / 2), std::min(neighbors, count / 2) + 1};
  }
  // The block that is `step` away.
  std::int64_t at(std::int64_t block, std::int64_t step) const {
    return first + (block - first + step + count) % count;
  }
  // scores[c] = -inf where `block` meets the block labels[c]; labels outside the ring are none.
  void mask(std::int64_t block, float* scores, const std::int32_t* labels,
            std::int64_t columns) const {
    const Range met{block + steps().begin, block + steps().end};
    const Range pieces[] = {{std::max(met.begin, first), std::min(met.end, first + count)},
                            {met.begin + count, first + count},
                            {first, met.end - count}};
    for (const Range& piece : pieces)
      if (piece.begin < piece.end)
        kernels::mask_inside(scores, labels, columns, static_cast<std::int32_t>(piece.begin),
                             static_cast<std::int32_t>(piece.end));
  }
};

}  // namespace subquad
