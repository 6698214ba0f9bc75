#include "light/poly/poly_entry_gradients.h"

#include <algorithm>
#include <numbers>
#include <vector>

#include "core/round_up.h"
#include "kernels/backward.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "light/poly/poly_entries.h"
#include "rows/backward_panels.h"
#include "rows/head_rows.h"
#include "rows/partial.h"
#include "rows/tile_sizes.h"

namespace subquad {

PolyEntryGradients::PolyEntryGradients(const PolyModel& model, const WantedGradients& wanted,
                                       std::int64_t capacity)
    : model_(model),
      wanted_(wanted),
      dim_(model.head.head_dim()),
      degree_(model.options.degree),
      stride_(padded_values(dim_)),
      keys_dense_(capacity * stride_),
      packed_(round_up(capacity, kernels::blocking().panel) * dim_),
      derivatives_(kBackwardRows * (padded_values(capacity) + 16)),
      grad_keys_(capacity * stride_),
      key_panels_(dim_, capacity),
      query_panels_(dim_, kBackwardRows) {}

EntryGradients::RowGrads PolyEntryGradients::row_grads() {
  return {rows_.row_grads, padded_values(model_.head.value_dim() + 1)};
}

bool PolyEntryGradients::holds_none(const Range& part, const IndexList& keys) const {
  return model_.held.holds_none(rows_.rows.slice(part.begin, part.end - part.begin), keys);
}

void PolyEntryGradients::load_keys(const IndexList& keys) {
  keys_ = keys;
  kernels::load_rows(select_rows(model_.head.keys(), keys), 1.0f, keys_dense_.data(), stride_,
                     stride_);
  const kernels::RowSource dense = dense_rows(keys_dense_.data(), dim_, stride_, keys.count);
  kernels::pack_transposed(dense, packed_.data());
  key_panels_.pack(dense);
  std::fill_n(grad_keys_.data(), keys.count * stride_, 0.0f);
}

void PolyEntryGradients::weigh(const MarkedEntries& entries, float sign, float* weights) {
  const std::int64_t begin = entries.rows.begin, count = entries.rows.end - begin;
  const std::int64_t columns = entries.keys.count, panel = kernels::blocking().panel;
  kernels::gemm({rows_.channels + begin * dim_, dim_, 1}, {packed_.data(), panel * dim_, panel},
                count, columns, dim_, weights, entries.stride, false);
  set_derivatives(entries, weights);
  evaluate_rows(rows_.coefficients + begin * (degree_ + 1), degree_, count, columns, weights,
                entries.stride);
  keep_held(model_, rows_.rows.slice(begin, count), entries, sign, weights);
}

void PolyEntryGradients::set_derivatives(const MarkedEntries& entries, const float* scores) {
  std::vector<float> slope(static_cast<std::size_t>(degree_));
  for (std::int64_t r = 0; r < entries.rows.end - entries.rows.begin; ++r) {
    const float* c = rows_.coefficients + (entries.rows.begin + r) * (degree_ + 1);
    for (std::int64_t m = 0; m < degree_; ++m)
      slope[static_cast<std::size_t>(m)] = static_cast<float>(m + 1) * c[m + 1];
    float* row = derivatives_.data() + r * entries.stride;
    std::copy_n(scores + r * entries.stride, entries.keys.count, row);
    evaluate_rows(slope.data(), degree_ - 1, 1, entries.keys.count, row, entries.stride);
  }
}

void PolyEntryGradients::add_slopes(const MarkedEntries& entries, const float* weights,
                                    const float* slopes) {
  const std::int64_t begin = entries.rows.begin, count = entries.rows.end - begin;
  const std::int64_t columns = entries.keys.count, stride = entries.stride;
  float* scores = derivatives_.data();
  for (std::int64_t r = 0; r < count; ++r)
    for (std::int64_t at = r * stride; at < r * stride + columns; ++at)
      scores[at] = kernels::is_masked(weights[at]) ? 0.0f : scores[at] * slopes[at];
  if (wanted_.query)
    multiply_seen({{scores, stride, 1}, weights}, key_panels_, 0, count, columns,
                  rows_.grad_channels + begin * stride_, stride_, true);
  if (!wanted_.key) return;
  query_panels_.pack(dense_rows(rows_.channels + begin * dim_, dim_, dim_, count));
  multiply_seen({{scores, 1, stride}, weights}, query_panels_, 0, columns, count, grad_keys_.data(),
                stride_, true);
}

// KeySums lack a factor ln 2; scores here are base 2, and their derivatives do not.
void PolyEntryGradients::finish_keys(const KeySums& sums) {
  if (wanted_.key)
    kernels::add_rows(grad_keys_.data(), stride_, keys_.count, dim_, std::numbers::log2e_v<float>,
                      sums.grad_key(0), sums.key_stride);
}

}  // namespace subquad
