#include "light/linear/linear_entry_gradients.h"

#include <algorithm>
#include <numbers>
#include <numeric>

#include "rows/tile_sizes.h"
#include "rows/backward_panels.h"
#include "rows/entry_marks.h"
#include "kernels/backward.h"
#include "kernels/feature_map.h"

namespace subquad {

LinearEntryGradients::LinearEntryGradients(const HeadProblem& head, const LinearModel& model,
                                           const WantedGradients& wanted, std::int64_t capacity)
    : head_(head),
      model_(model),
      wanted_(wanted),
      dim_(head.head_dim()),
      width_(head.value_dim() + 1),
      feature_stride_(feature_stride(dim_)),
      sum_stride_(sum_stride(head.value_dim())),
      stride_(padded_values(capacity) + 16),
      keys_(head, capacity),
      marks_(kBackwardRows * stride_),
      weights_(kBackwardRows * stride_),
      slopes_(kBackwardRows * stride_),
      grad_features_(capacity * feature_stride_),
      query_panels_(dim_, kBackwardRows),
      grad_panels_(head.value_dim(), kBackwardRows) {}

void LinearEntryGradients::load(const IndexList& keys) {
  keys_.load(head_, keys, model_.map);
  std::fill_n(grad_features_.data(), keys.count * feature_stride_, 0.0f);
}

void LinearEntryGradients::weigh(const LinearRowGrads& rows, const EntrySets& left_out,
                                 float sign) {
  const std::int64_t count = rows.rows.count, columns = keys_.keys().count;
  sign_ = sign;
  kernels::gemm({rows.features, feature_stride_, 1}, keys_.transposed_features(), count, columns,
                dim_, weights_.data(), stride_, false);
  mark_entries(head_, rows.rows, keys_.keys(), left_out, marks_.data(), stride_, filter_);
  mask_weights(marks_.data(), stride_, sign, weights_.data(), stride_, count, columns);
}

double LinearEntryGradients::weight_sum(std::int64_t row) const {
  const float* weights = weights_.data() + row * stride_;
  return std::accumulate(weights, weights + keys_.keys().count, 0.0);
}

void LinearEntryGradients::spread(const LinearRowGrads& rows, const KeySums& sums) {
  const std::int64_t count = rows.rows.count, columns = keys_.keys().count;
  if (wanted_.value) {
    grad_panels_.pack(dense_rows(rows.row_grads, width_ - 1, sum_stride_, count));
    multiply_seen({{weights_.data(), 1, stride_}, weights_.data()}, grad_panels_, 0, columns, count,
                  sums.grad_value(0), sums.value_stride, true);
  }
  if (!wanted_.scores()) return;
  kernels::gemm({rows.row_grads, sum_stride_, 1}, keys_.transposed_values(), count, columns, width_,
                slopes_.data(), stride_, false);
  mask_slopes(count);
  if (wanted_.query)
    multiply_seen({{slopes_.data(), stride_, 1}, weights_.data()}, keys_.feature_panels(), 0, count,
                  columns, rows.grad_features, feature_stride_, true);
  if (!wanted_.key) return;
  query_panels_.pack(dense_rows(rows.features, dim_, feature_stride_, count));
  multiply_seen({{slopes_.data(), 1, stride_}, weights_.data()}, query_panels_, 0, columns, count,
                grad_features_.data(), feature_stride_, true);
}

void LinearEntryGradients::mask_slopes(std::int64_t rows) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t at = r * stride_; at < r * stride_ + keys_.keys().count; ++at)
      slopes_[at] = marks_[at] == 0.0f ? sign_ * slopes_[at] : 0.0f;
}

void LinearEntryGradients::finish(const KeySums& sums) {
  if (!wanted_.key) return;
  const std::int64_t count = keys_.keys().count;
  kernels::multiply_slopes(model_.map, 1.0f, keys_.features(0), grad_features_.data(),
                           count * feature_stride_);
  // KeySums lack a factor ln 2.
  kernels::add_rows(grad_features_.data(), feature_stride_, count, dim_,
                    std::numbers::log2e_v<float>, sums.grad_key(0), sums.key_stride);
}

}  // namespace subquad
