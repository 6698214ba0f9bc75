#include "rows/extreme_rows.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "kernels/pack.h"
#include "rows/head_rows.h"
#include "rows/rescue_row.h"
#include "subquad/error.h"

namespace subquad {
namespace {

using Doubles = std::vector<double>;

Doubles load_row(const HeadProblem& head, const TensorView& view, std::int64_t row) {
  std::vector<float> values(static_cast<std::size_t>(view.channels()));
  load_head_rows(head, view, index_range(row, row + 1), 1.0f, values.data(), view.channels());
  return {values.begin(), values.end()};
}

Doubles load_key(const kernels::RowSource& source, std::int64_t key) {
  std::vector<float> values(static_cast<std::size_t>(source.width));
  kernels::load_rows(source.slice(key, 1), 1.0f, values.data(), source.width, source.width);
  return {values.begin(), values.end()};
}

double dot(const Doubles& a, const Doubles& b) {
  double sum = 0;
  for (std::size_t c = 0; c < a.size(); ++c) sum += a[c] * b[c];
  return sum;
}

void add_to(float* out, double factor, const Doubles& values) {
  for (std::size_t c = 0; c < values.size(); ++c)
    out[c] = static_cast<float>(double{out[c]} + factor * values[c]);
}

float* key_row(const HeadProblem& head, const MutableTensorView& view, std::int64_t key) {
  return static_cast<float*>(view.data) +
         view.offset(head.batch, head.kv_head, head.key_begin + key);
}

bool has_gradient(const HeadProblem& head, std::int64_t row, const BackwardArguments& arguments) {
  const Doubles grad_out = load_row(head, arguments.grad_out, row);
  return read_f32(head, arguments.grad_lse, row) != 0.0f ||
         std::any_of(grad_out.begin(), grad_out.end(), [](double g) { return g != 0; });
}

// exp(score - log of their sum), sink included.
Doubles weights_of(const HeadProblem& head, std::int64_t row) {
  Doubles weights = double_scores(head, row);
  const auto& sinks = head.problem->sink_logits;
  const double sink =
      sinks.empty() ? -HUGE_VAL : double{sinks[static_cast<std::size_t>(head.query_head(row))]};
  double top = sink;
  for (const double score : weights) top = std::max(top, score);
  if (!std::isfinite(top)) return Doubles(weights.size(), 0.0);
  double sum = std::exp(sink - top);
  for (double& weight : weights) sum += weight = std::exp(weight - top);
  for (double& weight : weights) weight /= sum;
  return weights;
}

void add_row(const HeadProblem& head, std::int64_t row, const BackwardArguments& arguments) {
  const Doubles query = load_row(head, head.problem->query, row);
  const Doubles grad_out = load_row(head, arguments.grad_out, row);
  const Doubles weights = weights_of(head, row);
  const double scale = double{resolved_scale(*head.problem)};
  const double offset = double{read_f32(head, arguments.grad_lse, row)} -
                        dot(grad_out, load_row(head, arguments.out, row));
  const std::int64_t first = head.visible(row).begin;
  for (std::size_t j = 0; j < weights.size(); ++j) {
    if (weights[j] == 0) continue;
    const std::int64_t key = first + static_cast<std::int64_t>(j);
    const double slope =
        scale * weights[j] * (dot(grad_out, load_key(head.values(), key)) + offset);
    if (!arguments.grad_value.empty())
      add_to(key_row(head, arguments.grad_value, key), weights[j], grad_out);
    if (!arguments.grad_key.empty()) add_to(key_row(head, arguments.grad_key, key), slope, query);
    if (!arguments.grad_query.empty())
      add_to(static_cast<float*>(head.row_in(arguments.grad_query, row)), slope,
             load_key(head.keys(), key));
  }
}

}  // namespace

void add_extreme_rows(const HeadProblem& head, const IndexList& rows,
                      const BackwardArguments& arguments) {
  for (std::int64_t i = 0; i < rows.count; ++i)
    if (is_extreme_lse(read_f32(head, arguments.lse, rows[i])) &&
        has_gradient(head, rows[i], arguments))
      add_row(head, rows[i], arguments);
}

void refuse_extreme_row(const HeadProblem& head, std::int64_t row,
                        const BackwardArguments& arguments) {
  const float lse = read_f32(head, arguments.lse, row);
  if (!is_extreme_lse(lse) || !has_gradient(head, row, arguments)) return;
  throw_invalid(fmt::format(
      "lse: that of query head {}, position {} is {:g}, beyond 2^30: float32 cannot tell the row's "
      "weights from it; use exact, mask with -inf, or scale query and key down",
      head.query_head(row), head.query_begin + head.position(row), lse));
}

}  // namespace subquad
