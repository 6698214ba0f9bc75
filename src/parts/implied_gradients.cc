#include "parts/implied_gradients.h"

#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "rows/backward_panels.h"
#include "rows/entry_marks.h"
#include "rows/head_rows.h"
#include "rows/partial.h"
#include "rows/tile_sizes.h"

namespace subquad {

ImpliedGradients::ImpliedGradients(const HeadProblem& head, const WantedGradients& wanted,
                                   EntryGradients& entries, std::int64_t capacity)
    : head_(head),
      wanted_(wanted),
      entries_(entries),
      stride_(padded_values(capacity) + 16),
      marks_(kBackwardRows * stride_),
      weights_(kBackwardRows * stride_),
      slopes_(kBackwardRows * stride_),
      packed_values_(padded_values(capacity) * head.value_dim()),
      grad_panels_(head.value_dim(), kBackwardRows) {}

void ImpliedGradients::load(const IndexList& keys) {
  keys_ = keys;
  entries_.load_keys(keys);
  if (wanted_.scores())
    values_stride_ =
        kernels::pack_transposed(select_rows(head_.values(), keys), packed_values_.data());
}

void ImpliedGradients::weigh(const IndexList& rows, const Range& part, const EntrySets& left_out,
                             float sign) {
  part_ = part;
  sign_ = sign;
  mark_entries(head_, rows.slice(part.begin, part.end - part.begin), keys_, left_out, marks_.data(),
               stride_, filter_);
  entries_.weigh(marked(), sign, weights_.data());
}

void ImpliedGradients::spread(const KeySums& sums) {
  const EntryGradients::RowGrads all = entries_.row_grads();
  const EntryGradients::RowGrads grads{all.data + part_.begin * all.stride, all.stride};
  const std::int64_t count = part_.end - part_.begin;
  if (wanted_.value) {
    grad_panels_.pack(dense_rows(grads.data, head_.value_dim(), grads.stride, count));
    multiply_seen({{weights_.data(), 1, stride_}, weights_.data()}, grad_panels_, 0, keys_.count,
                  count, sums.grad_value(0), sums.value_stride, true);
  }
  if (!wanted_.scores()) return;
  set_slopes(grads);
  entries_.add_slopes(marked(), weights_.data(), slopes_.data());
}

void ImpliedGradients::set_slopes(const EntryGradients::RowGrads& grads) {
  const std::int64_t count = part_.end - part_.begin, dv = head_.value_dim();
  kernels::gemm({grads.data, grads.stride, 1},
                {packed_values_.data(), values_stride_, kernels::blocking().panel}, count,
                keys_.count, dv, slopes_.data(), stride_, false);
  for (std::int64_t r = 0; r < count; ++r) {
    const float offset = grads.data[r * grads.stride + dv];
    for (std::int64_t at = r * stride_; at < r * stride_ + keys_.count; ++at)
      slopes_[at] = marks_[at] == 0.0f ? sign_ * (slopes_[at] + offset) : 0.0f;
  }
}

}  // namespace subquad
