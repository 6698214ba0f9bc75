#include "support/reference_attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "support/half.h"

namespace subquad::testing {
namespace {

double dot(const double* a, const double* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t c = 0; c < n; ++c) sum += a[c] * b[c];
  return sum;
}

void add(double* to, double factor, const double* from, std::int64_t n) {
  for (std::int64_t c = 0; c < n; ++c) to[c] += factor * from[c];
}

void add_magnitudes(double* to, double factor, const double* from, std::int64_t n) {
  for (std::int64_t c = 0; c < n; ++c) to[c] += factor * std::fabs(from[c]);
}

}  // namespace

DenseTensor::DenseTensor(const Shape4& s)
    : shape(s), values(static_cast<std::size_t>(s[0] * s[1] * s[2] * s[3]), 0.0) {}

double DenseTensor::max_abs() const {
  double largest = 0;
  for (const double value : values)
    if (std::isfinite(value)) largest = std::max(largest, std::fabs(value));
  return largest;
}

double read_element(const TensorView& view, std::int64_t offset) {
  if (view.dtype == DType::f32)
    return static_cast<double>(static_cast<const float*>(view.data)[offset]);
  return decode_half(static_cast<const std::uint16_t*>(view.data)[offset], view.dtype);
}

DenseTensor read_tensor(const TensorView& view) {
  DenseTensor tensor(view.shape);
  if (view.empty()) return tensor;
  for (std::int64_t b = 0; b < view.shape[0]; ++b)
    for (std::int64_t h = 0; h < view.shape[1]; ++h)
      for (std::int64_t i = 0; i < view.shape[2]; ++i)
        for (std::int64_t c = 0; c < view.shape[3]; ++c)
          tensor.row(b, h, i)[c] = read_element(view, view.offset(b, h, i) + c);
  return tensor;
}

std::vector<SequenceRange> sequence_ranges(const Problem& problem) {
  if (problem.query_offsets.empty()) return {{0, problem.query.length(), 0, problem.key.length()}};
  std::vector<SequenceRange> ranges;
  for (std::size_t s = 0; s + 1 < problem.query_offsets.size(); ++s)
    ranges.push_back({problem.query_offsets[s], problem.query_offsets[s + 1],
                      problem.key_offsets[s], problem.key_offsets[s + 1]});
  return ranges;
}

bool in_band(const Problem& problem, const SequenceRange& range, std::int64_t i, std::int64_t j) {
  bool bottom_right = problem.window.alignment == Alignment::bottom_right;
  if (problem.causal != Causal::none) bottom_right = problem.causal == Causal::bottom_right;
  const std::int64_t length_gap =
      (range.key_end - range.key_begin) - (range.query_end - range.query_begin);
  const std::int64_t position = bottom_right ? i + length_gap : i;
  if (problem.causal != Causal::none && j > position) return false;
  if (problem.window.left >= 0 && j < position - problem.window.left) return false;
  return problem.window.right < 0 || j <= position + problem.window.right;
}

double mask_entry(const Mask& mask, std::int64_t b, std::int64_t h, std::int64_t i,
                  std::int64_t j) {
  if (mask.kind == MaskKind::none) return 0;
  const std::int64_t index[4] = {b, h, i, j};
  std::int64_t offset = 0;
  for (std::size_t n = 0; n < 4; ++n) offset += mask.shape[n] == 1 ? 0 : index[n] * mask.stride[n];
  if (mask.kind == MaskKind::additive)
    return static_cast<double>(static_cast<const float*>(mask.data)[offset]);
  return static_cast<const std::uint8_t*>(mask.data)[offset] != 0
             ? 0.0
             : -std::numeric_limits<double>::infinity();
}

ReferenceAttention::ReferenceAttention(const Problem& problem)
    : problem_(problem),
      query_(read_tensor(problem.query)),
      key_(read_tensor(problem.key)),
      value_(read_tensor(problem.value)),
      out({query_.shape[0], query_.shape[1], query_.shape[2], value_.shape[3]}),
      lse({query_.shape[0], query_.shape[1], query_.shape[2], 1}) {
  scale_ = problem.scale ? static_cast<double>(*problem.scale)
                         : 1.0 / std::sqrt(static_cast<double>(query_.shape[3]));
  for_each_row([this](const Row& row) { forward_row(row); });
  max_value = value_.max_abs();
}

ReferenceAttention::Gradients ReferenceAttention::backward(const DenseTensor& grad_out,
                                                           const DenseTensor& grad_lse) const {
  Gradients gradients{DenseTensor(query_.shape), DenseTensor(key_.shape),
                      DenseTensor(value_.shape)};
  for_each_row([&](const Row& row) { backward_row(row, grad_out, grad_lse, gradients); });
  return gradients;
}

ReferenceAttention::Gradients ReferenceAttention::backward_slack(const DenseTensor& grad_out,
                                                                 const DenseTensor& grad_lse,
                                                                 double weight_error,
                                                                 double rounding) const {
  Gradients slack{DenseTensor(query_.shape), DenseTensor(key_.shape), DenseTensor(value_.shape)};
  for_each_row([&](const Row& row) {
    slack_row(row, grad_out, grad_lse, weight_error / (1 - weight_error), rounding, slack);
  });
  return slack;
}

void ReferenceAttention::for_each_row(const std::function<void(const Row&)>& visit) const {
  const std::int64_t group = query_.shape[1] / std::max<std::int64_t>(1, key_.shape[1]);
  for (const SequenceRange& range : sequence_ranges(problem_))
    for (std::int64_t b = 0; b < query_.shape[0]; ++b)
      for (std::int64_t h = 0; h < query_.shape[1]; ++h)
        for (std::int64_t i = range.query_begin; i < range.query_end; ++i)
          visit(Row{range, b, h, h / group, i, score_row(range, b, h, h / group, i)});
}

std::vector<double> ReferenceAttention::score_row(const SequenceRange& range, std::int64_t b,
                                                  std::int64_t h, std::int64_t kv_head,
                                                  std::int64_t i) const {
  std::vector<double> scores;
  for (std::int64_t j = range.key_begin; j < range.key_end; ++j) {
    double score = mask_entry(problem_.mask, b, h, i, j);
    if (!in_band(problem_, range, i - range.query_begin, j - range.key_begin))
      score = -std::numeric_limits<double>::infinity();
    if (score != -std::numeric_limits<double>::infinity())
      score += scale_ * dot(query_.row(b, h, i), key_.row(b, kv_head, j), query_.shape[3]);
    scores.push_back(score);
  }
  return scores;
}

double ReferenceAttention::Total::lse() const { return shift + std::log(sum); }

double ReferenceAttention::Total::weight(double score) const {
  return std::exp(score - shift) / sum;
}

ReferenceAttention::Total ReferenceAttention::total_of(const Row& row) const {
  double shift = -std::numeric_limits<double>::infinity();
  const bool has_sink = !problem_.sink_logits.empty();
  double sink = shift;
  if (has_sink) sink = static_cast<double>(problem_.sink_logits[static_cast<std::size_t>(row.h)]);
  shift = sink;
  bool seen = shift > -std::numeric_limits<double>::infinity();
  for (const double score : row.scores) {
    shift = std::max(shift, score);
    seen = seen || !(score == -std::numeric_limits<double>::infinity());
  }
  if (!seen) return {shift, 1};
  double sum = has_sink ? std::exp(sink - shift) : 0.0;
  for (const double score : row.scores) sum += std::exp(score - shift);
  return {shift, sum};
}

void ReferenceAttention::forward_row(const Row& row) {
  const Total total = total_of(row);
  lse.row(row.b, row.h, row.i)[0] = total.lse();
  double* result = out.row(row.b, row.h, row.i);
  for (std::size_t n = 0; n < row.scores.size(); ++n) {
    if (row.scores[n] == -std::numeric_limits<double>::infinity()) continue;
    if (std::isfinite(row.scores[n])) max_score = std::max(max_score, std::fabs(row.scores[n]));
    const double weight = total.weight(row.scores[n]);
    const double* value = value_.row(row.b, row.kv_head, row.range.key_begin + std::int64_t(n));
    for (std::int64_t c = 0; c < value_.shape[3]; ++c) result[c] += weight * value[c];
  }
}

ReferenceAttention::RowGradients ReferenceAttention::row_gradients(
    const Row& row, const DenseTensor& grad_out, const DenseTensor& grad_lse) const {
  const std::int64_t value_dim = value_.shape[3];
  const double* upstream = grad_out.row(row.b, row.h, row.i);
  const Total total = total_of(row);
  const double offset =
      grad_lse.row(row.b, row.h, row.i)[0] - dot(upstream, out.row(row.b, row.h, row.i), value_dim);
  RowGradients gradients;
  for (std::size_t n = 0; n < row.scores.size(); ++n) {
    const bool seen = row.scores[n] != -std::numeric_limits<double>::infinity();
    const double weight = seen ? total.weight(row.scores[n]) : 0;
    const double* value = value_.row(row.b, row.kv_head, row.range.key_begin + std::int64_t(n));
    gradients.weights.push_back(weight);
    gradients.scores.push_back(seen ? weight * (dot(upstream, value, value_dim) + offset) : 0);
  }
  return gradients;
}

void ReferenceAttention::backward_row(const Row& row, const DenseTensor& grad_out,
                                      const DenseTensor& grad_lse, Gradients& gradients) const {
  const std::int64_t head_dim = query_.shape[3];
  const RowGradients own = row_gradients(row, grad_out, grad_lse);
  for (std::size_t n = 0; n < row.scores.size(); ++n) {
    if (row.scores[n] == -std::numeric_limits<double>::infinity()) continue;
    const std::int64_t j = row.range.key_begin + static_cast<std::int64_t>(n);
    const double grad_score = scale_ * own.scores[n];
    add(gradients.query.row(row.b, row.h, row.i), grad_score, key_.row(row.b, row.kv_head, j),
        head_dim);
    add(gradients.key.row(row.b, row.kv_head, j), grad_score, query_.row(row.b, row.h, row.i),
        head_dim);
    add(gradients.value.row(row.b, row.kv_head, j), own.weights[n],
        grad_out.row(row.b, row.h, row.i), value_.shape[3]);
  }
}

void ReferenceAttention::slack_row(const Row& row, const DenseTensor& grad_out,
                                   const DenseTensor& grad_lse, double relative, double rounding,
                                   Gradients& slack) const {
  const std::int64_t head_dim = query_.shape[3];
  const RowGradients own = row_gradients(row, grad_out, grad_lse);
  const double from_lse = grad_lse.row(row.b, row.h, row.i)[0];
  const double* upstream = grad_out.row(row.b, row.h, row.i);
  const double* own_out = out.row(row.b, row.h, row.i);
  const double more = rounding > 0 ? 1.05 : 1;
  double of_out = 0;  // e_i
  for (std::int64_t c = 0; c < value_.shape[3]; ++c)
    of_out += 3 * 0x1p-24 * std::fabs(upstream[c] * own_out[c]);
  for (std::size_t n = 0; n < row.scores.size(); ++n)
    of_out += relative * std::fabs(own.scores[n] - own.weights[n] * from_lse);
  for (std::size_t n = 0; n < row.scores.size(); ++n) {
    if (row.scores[n] == -std::numeric_limits<double>::infinity()) continue;
    const std::int64_t j = row.range.key_begin + static_cast<std::int64_t>(n);
    const double* value = value_.row(row.b, row.kv_head, j);
    double of_rounding = 0;
    for (std::int64_t c = 0; c < value_.shape[3]; ++c)
      of_rounding += rounding * std::fabs(upstream[c] * (value[c] - own_out[c]));
    const double of_score = more * std::fabs(scale_) *
                            ((relative + rounding) * std::fabs(own.scores[n]) +
                             own.weights[n] * ((1 + relative) * of_out + of_rounding));
    add_magnitudes(slack.query.row(row.b, row.h, row.i), of_score, key_.row(row.b, row.kv_head, j),
                   head_dim);
    add_magnitudes(slack.key.row(row.b, row.kv_head, j), of_score, query_.row(row.b, row.h, row.i),
                   head_dim);
    add_magnitudes(slack.value.row(row.b, row.kv_head, j),
                   more * (relative + 2 * rounding) * own.weights[n], upstream, value_.shape[3]);
  }
}

}  // namespace subquad::testing
