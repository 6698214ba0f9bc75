#include "light/linear/linear_entry_gradients.h"

#include <algorithm>
#include <numbers>

#include "rows/tile_sizes.h"
#include "rows/backward_panels.h"
#include "kernels/backward.h"
#include "kernels/feature_map.h"

namespace subquad {

LinearEntryGradients::LinearEntryGradients(const HeadProblem& head, const LinearModel& model,
                                           const WantedGradients& wanted, std::int64_t capacity)
    : head_(head),
      model_(model),
      wanted_(wanted),
      dim_(head.head_dim()),
      feature_stride_(feature_stride(dim_)),
      sum_stride_(sum_stride(head.value_dim())),
      keys_(head, capacity),
      grad_features_(capacity * feature_stride_),
      query_panels_(dim_, kBackwardRows) {}

void LinearEntryGradients::load_keys(const IndexList& keys) {
  keys_.load(head_, keys, model_.map);
  std::fill_n(grad_features_.data(), keys.count * feature_stride_, 0.0f);
}

void LinearEntryGradients::weigh(const MarkedEntries& entries, float sign, float* weights) {
  const std::int64_t count = entries.rows.end - entries.rows.begin;
  kernels::gemm({rows_.features + entries.rows.begin * feature_stride_, feature_stride_, 1},
                keys_.transposed_features(), count, entries.keys.count, dim_, weights,
                entries.stride, false);
  mask_weights(entries, sign, weights);
}

void LinearEntryGradients::add_slopes(const MarkedEntries& entries, const float* weights,
                                      const float* slopes) {
  const std::int64_t begin = entries.rows.begin, count = entries.rows.end - begin;
  const std::int64_t columns = entries.keys.count, stride = entries.stride;
  if (wanted_.query)
    multiply_seen({{slopes, stride, 1}, weights}, keys_.feature_panels(), 0, count, columns,
                  rows_.grad_features + begin * feature_stride_, feature_stride_, true);
  if (!wanted_.key) return;
  query_panels_.pack(
      dense_rows(rows_.features + begin * feature_stride_, dim_, feature_stride_, count));
  multiply_seen({{slopes, 1, stride}, weights}, query_panels_, 0, columns, count,
                grad_features_.data(), feature_stride_, true);
}

void LinearEntryGradients::finish_keys(const KeySums& sums) {
  if (!wanted_.key) return;
  const std::int64_t count = keys_.keys().count;
  kernels::multiply_slopes(model_.map, 1.0f, keys_.features(0), grad_features_.data(),
                           count * feature_stride_);
  // KeySums lack a factor ln 2.
  kernels::add_rows(grad_features_.data(), feature_stride_, count, dim_,
                    std::numbers::log2e_v<float>, sums.grad_key(0), sums.key_stride);
}

}  // namespace subquad
