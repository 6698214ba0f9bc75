// The memory of one forward, and the loops over its rows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "core/threads.h"
#include "subquad/tensor.h"
#include "vit/weights.h"

namespace subquad::vit {

// Rows of all pictures one after the other: row i * tokens + t is token t of picture i.
class Activations {
 public:
  Activations(std::int64_t rows, std::int64_t width)
      : scratch_(rows * width), rows_{scratch_.data(), width, rows} {}

  const Rows& rows() const { return rows_; }
  // Channels [begin, begin + heads * dim) of the rows of one picture, as (1, heads, tokens, dim).
  MutableTensorView heads(std::int64_t image, std::int64_t tokens, std::int64_t begin,
                          std::int64_t heads, std::int64_t dim) const {
    return {rows_.row(image * tokens) + begin,
            DType::f32,
            {1, heads, tokens, dim},
            {0, dim, rows_.stride, 1}};
  }

 private:
  Scratch<float> scratch_;
  Rows rows_;
};

// Calls run(rows [begin, begin + count)) for blocks of rows, each with `floats` of scratch a row.
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

}  // namespace subquad::vit
