#include "exact/backward_tile.h"

#include <algorithm>

#include "kernels/backward.h"
#include "merge/partial.h"

namespace subquad {

BackwardTile::BackwardTile(std::int64_t head_dim, std::int64_t max_rows, std::int64_t max_keys)
    : head_dim_(head_dim),
      // One cache line of padding keeps the rows out of each other's cache sets.
      stride_((max_keys + 31) / 32 * 32 + 16),
      weights_(max_rows * stride_),
      gradients_(max_rows * stride_),
      grad_queries_(max_rows * padded_values(head_dim)) {}

const float* BackwardTile::grad_query(std::int64_t i) const {
  return grad_queries_.data() + i * grad_query_stride();
}

std::int64_t BackwardTile::grad_query_stride() const { return padded_values(head_dim_); }

std::int64_t BackwardTile::run(const HeadProblem& head, const BackwardRows& rows,
                               BackwardKeys& keys, const WantedGradients& wanted) {
  const std::int64_t count = rows.rows().count;
  Range columns = visible_columns(head, rows.rows(), 0, count, keys.keys());
  columns.begin -= columns.begin % kernels::blocking().panel;
  const std::int64_t step = kernels::blocking().rows;
  for (std::int64_t begin = 0; begin < count; begin += step)
    compute_panel(head, rows, keys, columns, begin, std::min(step, count - begin), wanted.scores());
  add_products(rows, keys, columns, wanted);
  return count * (columns.end - columns.begin);
}

// Weights, and score gradients if asked for, of rows [begin, begin + count).
void BackwardTile::compute_panel(const HeadProblem& head, const BackwardRows& rows,
                                 const BackwardKeys& keys, const Range& columns, std::int64_t begin,
                                 std::int64_t count, bool gradients) {
  const std::int64_t width = columns.end - columns.begin;
  const std::int64_t value_dim = head.value_dim();
  float* weights = weights_.data() + begin * stride_;
  kernels::gemm({rows.query(begin), head_dim_, 1}, keys.keys_from(columns.begin), count, width,
                head_dim_, weights, stride_, false);
  for (std::int64_t r = 0; r < count; ++r)
    filter_row(head, rows.rows()[begin + r], keys.keys(), columns, nullptr, weights + r * stride_,
               filter_);
  kernels::weight_rows(weights, stride_, count, width, rows.lse_log2(begin));
  if (!gradients) return;
  float* grads = gradients_.data() + begin * stride_;
  kernels::gemm({rows.grad_out(begin), value_dim, 1}, keys.values_from(columns.begin), count, width,
                value_dim, grads, stride_, false);
  kernels::score_gradient_rows(weights, grads, stride_, count, width, rows.offset(begin));
}

void BackwardTile::add_products(const BackwardRows& rows, BackwardKeys& keys, const Range& columns,
                                const WantedGradients& wanted) {
  const std::int64_t width = columns.end - columns.begin, count = rows.rows().count;
  const float* weights = weights_.data();
  const float* gradients = gradients_.data();
  if (wanted.value)
    multiply_seen({{weights, 1, stride_}, weights}, rows.grad_out_panels(), 0, width, count,
                  keys.grad_value(columns.begin), keys.value_stride(), true);
  if (wanted.key)
    multiply_seen({{gradients, 1, stride_}, weights}, rows.query_panels(), 0, width, count,
                  keys.grad_key(columns.begin), keys.key_stride(), true);
  if (wanted.query)
    multiply_seen({{gradients, stride_, 1}, weights}, keys.key_panels(), columns.begin, count,
                  width, grad_queries_.data(), grad_query_stride(), false);
}

}  // namespace subquad
