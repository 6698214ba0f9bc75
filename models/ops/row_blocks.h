// Loops over the rows of a forward.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/memory.h"
#include "core/threads.h"

namespace subquad::ops {

// Rows of activations that one work item takes: they stay in the second-level cache.
inline constexpr std::int64_t kRowBlock = 48;

// Calls function(begin, count, scratch) for blocks of rows, each with `floats` of scratch a row.
template <typename Function>
void for_row_blocks(int threads, std::int64_t rows, std::int64_t floats, const Function& function) {
  const std::int64_t blocks = (rows + kRowBlock - 1) / kRowBlock;
  parallel_workers(threads, blocks, [&] {
    return [&, scratch = Scratch<float>(kRowBlock * floats)](std::int64_t block) mutable {
      const std::int64_t begin = block * kRowBlock, count = std::min(kRowBlock, rows - begin);
      function(begin, count, scratch.data());
    };
  });
}

}  // namespace subquad::ops
