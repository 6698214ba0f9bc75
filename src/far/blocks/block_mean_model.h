// The pseudo keys of one head, as forward and backward meet them.
#pragma once

#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "far/clusters/far_field.h"
#include "index/key_blocks.h"
#include "rows/head_problem.h"

namespace subquad {

class BlockMeanModel {
 public:
  // `head` must outlive this, and has one key mask (key_mask.h).
  BlockMeanModel(const HeadProblem& head, std::int64_t block, int threads);

  const HeadProblem& head() const { return head_; }
  const KeyBlocks& blocks() const { return blocks_; }
  std::int64_t size() const { return blocks_.size(); }
  std::int64_t width() const { return head_.value_dim() + 1; }
  // Summed values and count of each block: size() x width().
  const std::vector<float>& coefficients() const { return coefficients_; }
  float count(std::int64_t b) const {
    return coefficients_[static_cast<std::size_t>((b + 1) * width() - 1)];
  }
  // Which blocks a row has as pseudo keys (none if padded), but for those that are not usable.
  Range blocks_of(std::int64_t row) const {
    if (has_mask() && masked_[static_cast<std::size_t>(row)] != 0) return {};
    return whole_blocks(head_, row, blocks_.block_size());
  }
  // The usable block of which the key is a member; -1: none.
  std::int32_t block_of(std::int64_t key) const { return block_of_[static_cast<std::size_t>(key)]; }

  // Whether some keys may be members of no block.
  bool has_mask() const { return !masked_.empty(); }

  // Base-2 logits of blocks [columns.begin, ..) at `rows` queries in base-2 units, D floats apart:
  // scores[r * stride + b - first]. Blocks that are not usable, and those outside allowed(r), get
  // -inf. `first` is a multiple of the panel width; room for whole panels.
  template <typename Allowed>
  void score(const float* queries, std::int64_t rows, const Range& columns, const Allowed& allowed,
             float* scores, std::int64_t stride) const {
    score_all(queries, rows, columns, scores, stride);
    for (std::int64_t r = 0; r < rows; ++r) mask(columns, allowed(r), scores + r * stride);
  }
  // The columns of score() for rows that have blocks [begin, end) between them.
  static Range columns_for(const Range& blocks);
  // Summed values and counts of blocks [columns.begin, ..), as the right side of a product.
  kernels::RightMatrix coefficients_from(std::int64_t first) const;

 private:
  void score_all(const float* queries, std::int64_t rows, const Range& columns, float* scores,
                 std::int64_t stride) const;
  void mask(const Range& columns, const Range& allowed, float* scores) const;

  const HeadProblem& head_;
  KeyBlocks blocks_;
  std::vector<float> coefficients_;
  std::vector<std::int32_t> block_of_;
  std::vector<std::uint8_t> masked_;  // by row; empty without an element mask
  FarCoefficients packed_coefficients_;
  Scratch<float> packed_means_;
  std::int64_t panel_stride_ = 0;
};

}  // namespace subquad
