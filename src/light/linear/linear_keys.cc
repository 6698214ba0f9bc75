#include "light/linear/linear_keys.h"

#include <algorithm>
#include <limits>

namespace subquad {
namespace {

constexpr float kAbsent = -std::numeric_limits<float>::infinity();

std::int64_t whole_panels(std::int64_t columns, std::int64_t panel) {
  return (columns + panel - 1) / panel * panel;
}

}  // namespace

LinearKeys::LinearKeys(const HeadProblem& head, std::int64_t capacity, bool with_backward)
    : dim_(head.head_dim()),
      width_(head.value_dim() + 1),
      feature_stride_(feature_stride(dim_)),
      sum_stride_(sum_stride(head.value_dim())),
      panel_(kernels::blocking().panel),
      with_backward_(with_backward),
      features_(capacity * feature_stride_),
      values_(capacity * sum_stride_),
      transposed_features_(whole_panels(capacity, panel_) * dim_),
      transposed_values_(with_backward ? whole_panels(capacity, panel_) * width_ : 0),
      value_panels_(width_, capacity),
      feature_panels_(dim_, with_backward ? capacity : 0) {}

void LinearKeys::load(const HeadProblem& head, const IndexList& keys, FeatureMap map) {
  keys_ = keys;
  load_features(select_rows(head.keys(), keys), map, 1.0f, features_.data());
  load_sum_values(select_rows(head.values(), keys), values_.data());
  const kernels::RowSource features =
      dense_rows(features_.data(), dim_, feature_stride_, keys.count);
  const kernels::RowSource values = dense_rows(values_.data(), width_, sum_stride_, keys.count);
  kernels::pack_transposed(features, transposed_features_.data());
  value_panels_.pack(values);
  if (!with_backward_) return;
  kernels::pack_transposed(values, transposed_values_.data());
  feature_panels_.pack(features);
}

kernels::RightMatrix LinearKeys::features_from(std::int64_t begin) const {
  return {transposed_features_.data() + begin * dim_, panel_ * dim_, panel_};
}

kernels::RightMatrix LinearKeys::transposed_values() const {
  return {transposed_values_.data(), panel_ * width_, panel_};
}

void LinearKeys::add_sums(float* sums) const {
  add_outer_products(features_.data(), values_.data(), keys_.count, dim_, width_ - 1, sums);
}

void mark_entries(const HeadProblem& head, const IndexList& rows, const IndexList& keys,
                  const EntrySets& left_out, float* marks, std::int64_t stride,
                  FilterScratch& scratch) {
  for (std::int64_t r = 0; r < rows.count; ++r) {
    const Range seen = head.visible(rows[r]);
    float* row = marks + r * stride;
    for (std::int64_t c = 0; c < keys.count; ++c)
      row[c] = keys[c] >= seen.begin && keys[c] < seen.end ? 0.0f : kAbsent;
  }
  for (const EntrySet* set : left_out) set->remove(rows, keys, marks, stride, scratch);
}

void mask_weights(const float* marks, float sign, float* weights, std::int64_t stride,
                  std::int64_t rows, std::int64_t columns) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t at = r * stride; at < r * stride + columns; ++at)
      weights[at] = marks[at] == 0.0f ? sign * weights[at] + 0.0f : -0.0f;
}

}  // namespace subquad
