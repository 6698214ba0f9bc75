#include "light/linear/linear_key_gradients.h"

#include <numbers>

#include "kernels/backward.h"
#include "kernels/feature_map.h"
#include "kernels/gemm.h"

namespace subquad {

LinearKeyGradients::LinearKeyGradients(const HeadProblem& head, const LinearModel& model,
                                       const WantedGradients& wanted, std::int64_t capacity)
    : head_(head),
      model_(model),
      wanted_(wanted),
      dim_(head.head_dim()),
      width_(head.value_dim() + 1),
      feature_stride_(feature_stride(dim_)),
      sum_stride_(sum_stride(head.value_dim())),
      features_(capacity * feature_stride_),
      values_(capacity * sum_stride_),
      grad_features_(capacity * feature_stride_),
      packed_(width_ * padded_values(dim_)) {}

void LinearKeyGradients::add(const IndexList& keys, const float* rows_sum, const KeySums& sums) {
  const std::int64_t panel = kernels::blocking().panel;
  load_features(select_rows(head_.keys(), keys), model_.map, 1.0f, features_.data());
  if (wanted_.value)
    kernels::gemm({features_.data(), feature_stride_, 1}, {rows_sum, panel, sum_stride_},
                  keys.count, width_ - 1, dim_, sums.grad_value(0), sums.value_stride, true);
  if (!wanted_.key) return;
  load_sum_values(select_rows(head_.values(), keys), values_.data());
  const std::int64_t panel_stride =
      kernels::pack_transposed(dense_rows(rows_sum, width_, sum_stride_, dim_), packed_.data());
  kernels::gemm({values_.data(), sum_stride_, 1}, {packed_.data(), panel_stride, panel}, keys.count,
                dim_, width_, grad_features_.data(), feature_stride_, false);
  kernels::multiply_slopes(model_.map, 1.0f, features_.data(), grad_features_.data(),
                           keys.count * feature_stride_);
  // KeySums lack a factor ln 2.
  kernels::add_rows(grad_features_.data(), feature_stride_, keys.count, dim_,
                    std::numbers::log2e_v<float>, sums.grad_key(0), sums.key_stride);
}

}  // namespace subquad
