#include "light/linear/linear_keys.h"

namespace subquad {
LinearKeys::LinearKeys(const HeadProblem& head, std::int64_t capacity)
    : dim_(head.head_dim()),
      width_(head.value_dim() + 1),
      feature_stride_(feature_stride(dim_)),
      sum_stride_(sum_stride(head.value_dim())),
      panel_(kernels::blocking().panel),
      features_(capacity * feature_stride_),
      values_(capacity * sum_stride_),
      transposed_features_(whole_panels(capacity) * dim_),
      transposed_values_(whole_panels(capacity) * width_),
      feature_panels_(dim_, capacity) {}

void LinearKeys::load(const HeadProblem& head, const IndexList& keys, FeatureMap map) {
  keys_ = keys;
  load_features(select_rows(head.keys(), keys), map, 1.0f, features_.data());
  load_sum_values(select_rows(head.values(), keys), values_.data());
  const kernels::RowSource features =
      dense_rows(features_.data(), dim_, feature_stride_, keys.count);
  const kernels::RowSource values = dense_rows(values_.data(), width_, sum_stride_, keys.count);
  kernels::pack_transposed(features, transposed_features_.data());
  kernels::pack_transposed(values, transposed_values_.data());
  feature_panels_.pack(features);
}

kernels::RightMatrix LinearKeys::transposed_features() const {
  return {transposed_features_.data(), panel_ * dim_, panel_};
}

kernels::RightMatrix LinearKeys::transposed_values() const {
  return {transposed_values_.data(), panel_ * width_, panel_};
}

void LinearKeys::add_sums(float* sums) const {
  add_outer_products(features_.data(), values_.data(), keys_.count, dim_, width_ - 1, sums);
}

void mask_weights(const float* marks, std::int64_t mark_stride, float sign, float* weights,
                  std::int64_t stride, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* mark = marks + r * mark_stride;
    float* weight = weights + r * stride;
    for (std::int64_t c = 0; c < columns; ++c)
      weight[c] = mark[c] == 0.0f ? sign * weight[c] + 0.0f : -0.0f;
  }
}

std::int64_t whole_panels(std::int64_t columns) {
  const std::int64_t panel = kernels::blocking().panel;
  return (columns + panel - 1) / panel * panel;
}

}  // namespace subquad
