// The memory of one forward, as rows and as heads.
#pragma once

#include <cstdint>

#include "core/memory.h"
#include "subquad/tensor.h"
#include "ops/rows.h"

namespace subquad::ops {

// Rows of all sequences (pictures) one after the other: row i * tokens + t is token t of sequence
// i.
class Activations {
 public:
  Activations(std::int64_t rows, std::int64_t width)
      : scratch_(rows * width), rows_{scratch_.data(), width, rows} {}

  const Rows& rows() const { return rows_; }
  // Channels [begin, begin + heads * dim) of the rows of one sequence, as (1, heads, tokens, dim).
  MutableTensorView heads(std::int64_t sequence, std::int64_t tokens, std::int64_t begin,
                          std::int64_t heads, std::int64_t dim) const {
    return {rows_.row(sequence * tokens) + begin,
            DType::f32,
            {1, heads, tokens, dim},
            {0, dim, rows_.stride, 1}};
  }

 private:
  Scratch<float> scratch_;
  Rows rows_;
};

}  // namespace subquad::ops
