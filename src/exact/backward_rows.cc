#include "exact/backward_rows.h"

#include <numbers>

#include "kernels/backward.h"

namespace subquad {
namespace {

kernels::RowSource dense_rows(const float* data, std::int64_t width, std::int64_t count) {
  return {data, DType::f32, width, width, nullptr, 0, count};
}

float read_f32(const HeadProblem& head, const TensorView& view, std::int64_t row) {
  return *static_cast<const float*>(head.row_in(view, row));
}

}  // namespace

WantedGradients wanted_gradients(const BackwardArguments& arguments) {
  return {!arguments.grad_query.empty(), !arguments.grad_key.empty(),
          !arguments.grad_value.empty()};
}

BackwardRows::BackwardRows(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity)
    : head_dim_(head_dim),
      value_dim_(value_dim),
      queries_(capacity * head_dim),
      grad_outs_(capacity * value_dim),
      outs_(capacity * value_dim),
      lse_log2_(capacity),
      offsets_(capacity),
      query_panels_(head_dim, capacity),
      grad_out_panels_(value_dim, capacity) {}

void BackwardRows::load(const HeadProblem& head, const BackwardArguments& arguments,
                        const IndexList& rows) {
  rows_ = rows;
  const WantedGradients wanted = wanted_gradients(arguments);
  load_tensor(head, head.problem->query, head.scale_log2, queries_.data());
  load_tensor(head, arguments.grad_out, 1.0f, grad_outs_.data());
  if (wanted.key) query_panels_.pack(dense_rows(queries_.data(), head_dim_, rows.count));
  if (wanted.value) grad_out_panels_.pack(dense_rows(grad_outs_.data(), value_dim_, rows.count));
  load_lse(head, arguments.lse);
  if (wanted.scores()) load_offsets(head, arguments);
}

void BackwardRows::load_tensor(const HeadProblem& head, const TensorView& view, float factor,
                               float* out) const {
  const std::int64_t width = view.channels();
  for_each_head(head, rows_, [&](const HeadRows& part) {
    const kernels::RowSource source{
        head.row_in(view, part.row), view.dtype, view.stride[2], width, nullptr, 0, part.count};
    kernels::load_rows(source, factor, out + part.begin * width, part.step * width, width);
  });
}

void BackwardRows::load_lse(const HeadProblem& head, const TensorView& lse) {
  for (std::int64_t i = 0; i < rows_.count; ++i)
    lse_log2_[i] = read_f32(head, lse, rows_[i]) * std::numbers::log2e_v<float>;
}

void BackwardRows::load_offsets(const HeadProblem& head, const BackwardArguments& arguments) {
  load_tensor(head, arguments.out, 1.0f, outs_.data());
  kernels::dot_rows(grad_outs_.data(), outs_.data(), rows_.count, value_dim_, offsets_.data());
  for (std::int64_t i = 0; i < rows_.count; ++i) {
    offsets_[i] = -offsets_[i];
    if (!arguments.grad_lse.empty()) offsets_[i] += read_f32(head, arguments.grad_lse, rows_[i]);
  }
}

}  // namespace subquad
