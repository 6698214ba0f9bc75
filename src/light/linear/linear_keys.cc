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
      feature_panels_(dim_, capacity) {}

void LinearKeys::load(const HeadProblem& head, const IndexList& keys, FeatureMap map) {
  keys_ = keys;
  load_features(select_rows(head.keys(), keys), map, 1.0f, features_.data());
  load_sum_values(select_rows(head.values(), keys), values_.data());
  const kernels::RowSource features =
      dense_rows(features_.data(), dim_, feature_stride_, keys.count);
  kernels::pack_transposed(features, transposed_features_.data());
  feature_panels_.pack(features);
}

kernels::RightMatrix LinearKeys::transposed_features() const {
  return {transposed_features_.data(), panel_ * dim_, panel_};
}

void LinearKeys::add_sums(float* sums) const {
  add_outer_products(features_.data(), values_.data(), keys_.count, dim_, width_ - 1, sums);
}

void mask_weights(const MarkedEntries& entries, float sign, float* weights) {
  for (std::int64_t r = 0; r < entries.rows.end - entries.rows.begin; ++r) {
    const float* mark = entries.marks + r * entries.stride;
    float* weight = weights + r * entries.stride;
    for (std::int64_t c = 0; c < entries.keys.count; ++c)
      weight[c] = mark[c] == 0.0f ? sign * weight[c] + 0.0f : -0.0f;
  }
}

std::int64_t whole_panels(std::int64_t columns) {
  const std::int64_t panel = kernels::blocking().panel;
  return (columns + panel - 1) / panel * panel;
}

}  // namespace subquad
