#include "rows/backward_keys.h"

#include "core/round_up.h"
#include "rows/overflows.h"

namespace subquad {
namespace {

kernels::RowSource select(kernels::RowSource source, const IndexList& list) {
  source.ids = list.ids;
  source.first = list.first;
  source.count = list.count;
  return source;
}

}  // namespace

BackwardKeys::BackwardKeys(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity)
    : panel_(kernels::blocking().panel),
      transposed_keys_(round_up(capacity, panel_) * head_dim),
      transposed_values_(round_up(capacity, panel_) * value_dim),
      key_panels_(head_dim, capacity) {}

void BackwardKeys::load(const HeadProblem& head, const IndexList& keys, const float* bias,
                        const WantedGradients& wanted) {
  keys_ = keys;
  bias_ = bias;
  key_panel_stride_ = kernels::pack_transposed(select(head.keys(), keys), transposed_keys_.data());
  const std::int64_t columns = round_up(keys.count, panel_);
  calm_keys_ = is_calm(transposed_keys_.data(), columns * head.head_dim());
  if (wanted.scores()) {
    value_panel_stride_ =
        kernels::pack_transposed(select(head.values(), keys), transposed_values_.data());
    calm_values_ = is_calm(transposed_values_.data(), columns * head.value_dim());
  }
  if (wanted.query) key_panels_.pack(select(head.keys(), keys));
}

kernels::RightMatrix BackwardKeys::keys_from(std::int64_t begin) const {
  return {transposed_keys_.data() + begin / panel_ * key_panel_stride_, key_panel_stride_, panel_};
}

kernels::RightMatrix BackwardKeys::values_from(std::int64_t begin) const {
  return {transposed_values_.data() + begin / panel_ * value_panel_stride_, value_panel_stride_,
          panel_};
}

}  // namespace subquad
