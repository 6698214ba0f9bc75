#include "index/key_blocks.h"

#include <algorithm>
#include <cmath>

#include "core/threads.h"
#include "kernels/pack.h"
#include "rows/head_rows.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

// factor times the sum of the listed rows, in double. False: some element of the result is not
// finite.
bool sum_rows_of(const kernels::RowSource& source, const IndexList& list, double factor,
                 float* out) {
  std::vector<double> sum(static_cast<std::size_t>(source.width), 0.0);
  std::vector<float> row(sum.size());
  for (std::int64_t i = 0; i < list.count; ++i) {
    kernels::load_rows(select_rows(source, list.slice(i, 1)), 1.0f, row.data(), source.width,
                       source.width);
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += double{row[c]};
  }
  for (std::size_t c = 0; c < sum.size(); ++c) out[c] = static_cast<float>(factor * sum[c]);
  return std::all_of(out, out + source.width, [](float x) { return std::isfinite(x); });
}

}  // namespace

Range whole_blocks(const HeadProblem& head, std::int64_t row, std::int64_t block) {
  if (!head.has_band()) return {0, count_blocks(head.num_keys, block)};
  const Range seen = head.visible(row);
  if (seen.empty()) return {};
  const bool causal = head.problem->causal != Causal::none;
  const std::int64_t begin = count_blocks(seen.begin, block);
  return {begin, std::max(begin, (causal ? seen.end - 1 : seen.end) / block)};
}

KeyBlocks::KeyBlocks(const HeadProblem& head, std::int64_t block, bool values, int threads)
    : head_(head),
      keys_(head),
      block_(block),
      size_(count_blocks(head.num_keys, block)),
      values_(values),
      means_(static_cast<std::size_t>(size_ * head.head_dim()), 0.0f),
      sums_(static_cast<std::size_t>(values ? size_ * head.value_dim() : 0), 0.0f),
      counts_(static_cast<std::size_t>(size_), 0),
      usable_(static_cast<std::size_t>(size_), 0) {
  parallel_for(threads, size_, [&](std::int64_t b) { add_up(b); });
}

Range KeyBlocks::positions(std::int64_t b) const {
  return {b * block_, std::min((b + 1) * block_, head_.num_keys)};
}

IndexList KeyBlocks::members(std::int64_t b) const { return keys_.inside(positions(b)); }

void KeyBlocks::add_up(std::int64_t b) {
  const IndexList list = members(b);
  counts_[static_cast<std::size_t>(b)] = list.count;
  if (list.count == 0) return;
  const std::int64_t dim = head_.head_dim(), value_dim = head_.value_dim();
  float* mean = means_.data() + b * dim;
  float* sum = values_ ? sums_.data() + b * value_dim : nullptr;
  bool finite = sum_rows_of(head_.keys(), list, 1.0 / static_cast<double>(list.count), mean);
  if (values_) finite = sum_rows_of(head_.values(), list, 1.0, sum) && finite;
  usable_[static_cast<std::size_t>(b)] = finite ? 1 : 0;
  if (finite) return;
  std::fill_n(mean, dim, 0.0f);
  if (values_) std::fill_n(sum, value_dim, 0.0f);
}

}  // namespace subquad
