#include "far/blocks/block_mean_model.h"

#include <algorithm>
#include <limits>

#include "core/round_up.h"
#include "far/blocks/key_mask.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "rows/head_rows.h"

namespace subquad {
namespace {

constexpr float kAbsent = -std::numeric_limits<float>::infinity();

std::vector<float> coefficients_of(const KeyBlocks& blocks, std::int64_t value_dim) {
  std::vector<float> rows;
  rows.reserve(static_cast<std::size_t>(blocks.size() * (value_dim + 1)));
  for (std::int64_t b = 0; b < blocks.size(); ++b) {
    const auto sum = blocks.sums().begin() + b * value_dim;
    rows.insert(rows.end(), sum, sum + value_dim);
    rows.push_back(blocks.is_usable(b) ? static_cast<float>(blocks.count(b)) : 0.0f);
  }
  return rows;
}

std::vector<std::int32_t> blocks_of_keys(const KeyBlocks& blocks, std::int64_t num_keys) {
  std::vector<std::int32_t> block_of(static_cast<std::size_t>(num_keys), -1);
  for (std::int64_t b = 0; b < blocks.size(); ++b) {
    if (!blocks.is_usable(b)) continue;
    const IndexList members = blocks.members(b);
    for (std::int64_t i = 0; i < members.count; ++i)
      block_of[static_cast<std::size_t>(members[i])] = static_cast<std::int32_t>(b);
  }
  return block_of;
}

}  // namespace

BlockMeanModel::BlockMeanModel(const HeadProblem& head, std::int64_t block, int threads)
    : head_(head),
      blocks_(head, block, true, threads),
      coefficients_(coefficients_of(blocks_, head.value_dim())),
      block_of_(blocks_of_keys(blocks_, head.num_keys)),
      packed_coefficients_(coefficients_.data(), head.value_dim() + 1, blocks_.size()),
      packed_means_(round_up(blocks_.size(), kernels::blocking().panel) * head.head_dim()) {
  const std::int64_t dim = head.head_dim();
  panel_stride_ = kernels::pack_transposed(
      dense_rows(blocks_.means().data(), dim, dim, blocks_.size()), packed_means_.data());
  if (head.problem->mask.kind == MaskKind::none) return;
  for (std::int64_t row = 0; row < head.num_rows(); ++row)
    masked_.push_back(is_masked_row(head, row) ? 1 : 0);
}

Range BlockMeanModel::columns_for(const Range& blocks) {
  const std::int64_t panel = kernels::blocking().panel;
  return {blocks.begin / panel * panel, blocks.end};
}

kernels::RightMatrix BlockMeanModel::coefficients_from(std::int64_t first) const {
  kernels::RightMatrix matrix = packed_coefficients_.matrix();
  matrix.data += first * matrix.depth_stride;
  return matrix;
}

void BlockMeanModel::score_all(const float* queries, std::int64_t rows, const Range& columns,
                               float* scores, std::int64_t stride) const {
  const std::int64_t panel = kernels::blocking().panel, dim = head_.head_dim();
  kernels::gemm(
      {queries, dim, 1},
      {packed_means_.data() + columns.begin / panel * panel_stride_, panel_stride_, panel}, rows,
      columns.end - columns.begin, dim, scores, stride, false);
}

void BlockMeanModel::mask(const Range& columns, const Range& allowed, float* scores) const {
  for (std::int64_t b = columns.begin; b < columns.end; ++b)
    if (b < allowed.begin || b >= allowed.end || !blocks_.is_usable(b))
      scores[b - columns.begin] = kAbsent;
}

}  // namespace subquad
