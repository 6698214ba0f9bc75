#include "exact/backward_keys.h"

#include <algorithm>
#include <numbers>

#include "merge/partial.h"

namespace subquad {
namespace {

std::int64_t round_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

}  // namespace

BackwardKeys::BackwardKeys(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity)
    : head_dim_(head_dim),
      value_dim_(value_dim),
      panel_(kernels::blocking().panel),
      transposed_keys_(round_up(capacity, panel_) * head_dim),
      transposed_values_(round_up(capacity, panel_) * value_dim),
      grad_keys_(capacity * padded_values(head_dim)),
      grad_values_(capacity * padded_values(value_dim)),
      key_panels_(head_dim, capacity) {}

void BackwardKeys::load(const HeadProblem& head, const IndexList& keys,
                        const WantedGradients& wanted) {
  keys_ = keys;
  const kernels::RowSource key_rows = head.keys().slice(keys.first, keys.count);
  const kernels::RowSource value_rows = head.values().slice(keys.first, keys.count);
  key_panel_stride_ = kernels::pack_transposed(key_rows, transposed_keys_.data());
  if (wanted.scores())
    value_panel_stride_ = kernels::pack_transposed(value_rows, transposed_values_.data());
  if (wanted.query) key_panels_.pack(key_rows);
  std::fill_n(grad_keys_.data(), keys.count * key_stride(), 0.0f);
  std::fill_n(grad_values_.data(), keys.count * value_stride(), 0.0f);
}

void BackwardKeys::store(const HeadProblem& head, const BackwardArguments& arguments) const {
  store_sums(head, grad_keys_.data(), key_stride(), std::numbers::ln2_v<float>, arguments.grad_key);
  store_sums(head, grad_values_.data(), value_stride(), 1.0f, arguments.grad_value);
}

kernels::RightMatrix BackwardKeys::keys_from(std::int64_t begin) const {
  return {transposed_keys_.data() + begin / panel_ * key_panel_stride_, key_panel_stride_, panel_};
}

kernels::RightMatrix BackwardKeys::values_from(std::int64_t begin) const {
  return {transposed_values_.data() + begin / panel_ * value_panel_stride_, value_panel_stride_,
          panel_};
}

std::int64_t BackwardKeys::key_stride() const { return padded_values(head_dim_); }
std::int64_t BackwardKeys::value_stride() const { return padded_values(value_dim_); }

void BackwardKeys::store_sums(const HeadProblem& head, const float* sums, std::int64_t stride,
                              float factor, const MutableTensorView& view) const {
  if (view.empty()) return;
  for (std::int64_t j = 0; j < keys_.count; ++j) {
    const std::int64_t position = head.key_begin + keys_[j];
    float* out = static_cast<float*>(view.data) + view.offset(head.batch, head.kv_head, position);
    kernels::store_row(sums + j * stride, view.channels(), factor, DType::f32, out);
  }
}

}  // namespace subquad
