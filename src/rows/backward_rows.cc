#include "rows/backward_rows.h"

#include <algorithm>
#include <limits>
#include <numbers>

#include "rows/extreme_rows.h"
#include "rows/head_rows.h"
#include "kernels/backward.h"
#include "rows/partial.h"

namespace subquad {
namespace {

kernels::RowSource dense_rows(const float* data, std::int64_t width, std::int64_t count) {
  return {data, DType::f32, width, width, nullptr, 0, count};
}

}  // namespace

BackwardRows::BackwardRows(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity)
    : head_dim_(head_dim),
      value_dim_(value_dim),
      queries_(capacity * head_dim),
      grad_outs_(capacity * value_dim),
      outs_(capacity * value_dim),
      lse_log2_(capacity),
      offsets_(capacity),
      scaled_offsets_(capacity),
      grad_queries_(capacity * padded_values(head_dim)),
      query_panels_(head_dim, capacity),
      grad_out_panels_(value_dim, capacity) {}

void BackwardRows::load(const HeadProblem& head, const BackwardArguments& arguments,
                        const IndexList& rows) {
  rows_ = rows;
  scaled_ = false;
  const WantedGradients wanted = wanted_gradients(arguments);
  load_head_rows(head, head.problem->query, rows, head.scale_log2, queries_.data(), head_dim_);
  load_head_rows(head, arguments.grad_out, rows, 1.0f, grad_outs_.data(), value_dim_);
  load_lse(head, arguments.lse);
  if (wanted.scores()) load_offsets(head, arguments);
  leave_out_extremes();
  if (wanted.key) query_panels_.pack(dense_rows(queries_.data(), head_dim_, rows.count));
  if (wanted.value) grad_out_panels_.pack(dense_rows(grad_outs_.data(), value_dim_, rows.count));
  if (wanted.query) std::fill_n(grad_query(0), rows.count * grad_query_stride(), 0.0f);
}

void BackwardRows::load_lse(const HeadProblem& head, const TensorView& lse) {
  lses_.clear();
  for (std::int64_t i = 0; i < rows_.count; ++i) {
    lses_.push_back(read_f32(head, lse, rows_[i]));
    lse_log2_[i] = lses_.back() * std::numbers::log2e_v<float>;
  }
}

void BackwardRows::leave_out_extremes() {
  for (std::int64_t i = 0; i < rows_.count; ++i) {
    if (!is_extreme_lse(lses_[static_cast<std::size_t>(i)])) continue;
    lse_log2_[i] = std::numeric_limits<float>::max();
    offsets_[i] = 0.0f;
    std::fill_n(queries_.data() + i * head_dim_, head_dim_, 0.0f);
    std::fill_n(grad_outs_.data() + i * value_dim_, value_dim_, 0.0f);
  }
}

void BackwardRows::load_offsets(const HeadProblem& head, const BackwardArguments& arguments) {
  load_head_rows(head, arguments.out, rows_, 1.0f, outs_.data(), value_dim_);
  kernels::dot_rows(grad_outs_.data(), outs_.data(), rows_.count, value_dim_, offsets_.data());
  for (std::int64_t i = 0; i < rows_.count; ++i) {
    offsets_[i] = -offsets_[i];
    if (!arguments.grad_lse.empty()) offsets_[i] += read_f32(head, arguments.grad_lse, rows_[i]);
  }
}

void BackwardRows::set_offset_factors(std::span<const float> factors) {
  scaled_ = !factors.empty();
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    scaled_offsets_[at] = factors[i] * offsets_[at];
  }
}

void BackwardRows::set_pull(std::int64_t i, float log2_sum, float pull) {
  lse_log2_[i] = log2_sum;
  offsets_[i] = pull;
}

void BackwardRows::add_grad_query(const HeadProblem& head,
                                  const MutableTensorView& grad_query) const {
  if (!rows_.contiguous()) {
    for (std::int64_t i = 0; i < rows_.count; ++i) add_part(head, i, 1, 1, grad_query);
    return;
  }
  for (std::int64_t begin = 0; begin < std::min(head.group, rows_.count); ++begin)
    add_part(head, begin, head.group, (rows_.count - begin + head.group - 1) / head.group,
             grad_query);
}

void BackwardRows::add_part(const HeadProblem& head, std::int64_t begin, std::int64_t step,
                            std::int64_t count, const MutableTensorView& grad_query) const {
  const std::int64_t stride = grad_query_stride();
  kernels::add_rows(grad_queries_.data() + begin * stride, step * stride, count, head_dim_,
                    resolved_scale(*head.problem),
                    static_cast<float*>(head.row_in(grad_query, rows_[begin])),
                    grad_query.stride[2]);
}

std::int64_t BackwardRows::grad_query_stride() const { return padded_values(head_dim_); }

}  // namespace subquad
