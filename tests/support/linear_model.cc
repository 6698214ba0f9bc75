#include "support/linear_model.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace subquad::testing {

LinearModelCase::LinearModelCase(const Problem& problem, FeatureMap map, const std::string& heavy)
    : problem_(problem), map_(map), alone_(heavy.empty()) {
  scale_ = problem.scale ? static_cast<double>(*problem.scale)
                         : 1.0 / std::sqrt(static_cast<double>(problem.query.channels()));
  const Method method = alone_ ? Method{} : parse_method(heavy);
  for (const HeadProblem& head : split_heads(problem)) add_head(head, method);
}

LinearModelCase::Outputs LinearModelCase::forward(const Inputs& in) const {
  const Shape4& q = in.query.shape;
  const Shape4 rows{q[0], q[1], q[2], 1};
  Outputs result{DenseTensor({q[0], q[1], q[2], in.value.shape[3]}), DenseTensor(rows),
                 DenseTensor(rows), DenseTensor(rows)};
  for (const Row& row : rows_) forward_row(in, row, result);
  return result;
}

LinearModelCase::Gradients LinearModelCase::backward(const Inputs& in, const Outputs& outputs,
                                                     const DenseTensor& grad_out,
                                                     const DenseTensor& grad_lse) const {
  const Inputs zero{DenseTensor(in.query.shape), DenseTensor(in.key.shape),
                    DenseTensor(in.value.shape)};
  Gradients gradients{zero, zero};
  for (const Row& row : rows_) backward_row(in, outputs, grad_out, grad_lse, row, gradients);
  return gradients;
}

void LinearModelCase::add_head(const HeadProblem& head, const Method& method) {
  if (head.num_rows() == 0) return;
  HeadPlan plan(head, method, 0, 1);
  plan.finish(head);
  const SequenceRange range{head.query_begin, head.query_begin + head.query_len, head.key_begin,
                            head.key_begin + head.num_keys};
  for (std::int64_t r = 0; r < head.num_rows(); ++r) {
    const std::int64_t h = head.query_head(r);
    const double sink = problem_.sink_logits.empty()
                            ? 0
                            : std::exp(double{problem_.sink_logits[static_cast<std::size_t>(h)]});
    Row row{head.batch, h, head.kv_head, head.query_begin + head.position(r), sink, {}};
    const std::vector<float> marks = heavy_marks(plan, r, head.num_keys);
    for (std::int64_t key = 0; key < head.num_keys; ++key)
      if (in_band(problem_, range, head.position(r), key))
        row.entries.push_back({head.key_begin + key, marks[static_cast<std::size_t>(key)] != 0});
    rows_.push_back(row);
  }
}

std::vector<float> LinearModelCase::heavy_marks(const HeadPlan& plan, std::int64_t row,
                                                std::int64_t keys) {
  std::vector<float> marks(static_cast<std::size_t>(keys), 0.0F);
  FilterScratch scratch;
  for (const EntrySet* set : plan.sets())
    set->remove(index_range(row, row + 1), index_range(0, keys), marks.data(), keys, scratch);
  return marks;
}

double LinearModelCase::phi(double x) const {
  if (map_ == FeatureMap::elu) return x > 0 ? x + 1 : std::exp(x);
  return map_ == FeatureMap::relu ? std::max(x, 0.0) : x;
}

double LinearModelCase::slope(double x) const {
  if (map_ == FeatureMap::elu) return x > 0 ? 1 : std::exp(x);
  return map_ == FeatureMap::relu ? (x > 0 ? 1 : 0) : 1;
}

LinearModelCase::Weight LinearModelCase::weigh(const Inputs& in, const Row& row, const Entry& entry,
                                               bool softmax) const {
  const double* q = in.query.row(row.b, row.h, row.i);
  const double* k = in.key.row(row.b, row.kv_head, entry.key);
  const std::int64_t dim = in.query.shape[3];
  double linear = 0, size = 0, dot = 0;
  for (std::int64_t c = 0; c < dim; ++c) {
    linear += factor(dim) * phi(q[c]) * phi(k[c]);
    size += std::fabs(factor(dim) * phi(q[c]) * phi(k[c]));
    dot += q[c] * k[c];
  }
  if (!softmax) return {linear, size};
  const double weight = std::exp(scale_ * dot);
  return {weight, weight * (1 + std::fabs(scale_ * dot)) + 2 * size};
}

bool LinearModelCase::falls_back(const Inputs& in, const Row& row) const {
  if (alone_ || row.entries.empty()) return false;
  double sum = 0, taken = 0;
  for (const Entry& entry : row.entries) {
    sum += weigh(in, row, entry, entry.heavy).value;
    if (entry.heavy) taken += std::fabs(weigh(in, row, entry, false).value);
  }
  return sum <= 0 || sum < 1e-4 * taken;
}

void LinearModelCase::forward_row(const Inputs& in, const Row& row, Outputs& result) const {
  const bool softmax = falls_back(in, row);
  const std::int64_t dv = in.value.shape[3];
  double sum = row.sink, size = row.sink;
  double* out = result.out.row(row.b, row.h, row.i);
  for (const Entry& entry : row.entries) {
    const Weight weight = weigh(in, row, entry, softmax || entry.heavy);
    sum += weight.value;
    size += weight.size;
    const double* value = in.value.row(row.b, row.kv_head, entry.key);
    for (std::int64_t c = 0; c < dv; ++c) out[c] += weight.value * value[c];
  }
  for (std::int64_t c = 0; c < dv; ++c) out[c] = sum == 0 ? 0 : out[c] / sum;
  result.sum.row(row.b, row.h, row.i)[0] = sum;
  const double condition = sum == 0 ? 0 : size / std::fabs(sum);
  result.condition.row(row.b, row.h, row.i)[0] = condition;
  result.largest_condition = std::max(result.largest_condition, condition);
  result.lse.row(row.b, row.h, row.i)[0] =
      sum == 0 ? -std::numeric_limits<double>::infinity() : std::log(sum);
  result.negative_rows += sum < 0 ? 1 : 0;
  result.fallback_rows += softmax ? 1 : 0;
}

void LinearModelCase::add(DenseTensor Inputs::*tensor, Gradients& gradients, const double* at,
                          double term, double size) {
  const auto n = static_cast<std::size_t>(at - (gradients.values.*tensor).values.data());
  (gradients.values.*tensor).values[n] += term;
  (gradients.sizes.*tensor).values[n] += size;
}

void LinearModelCase::backward_row(const Inputs& in, const Outputs& outputs,
                                   const DenseTensor& grad_out, const DenseTensor& grad_lse,
                                   const Row& row, Gradients& gradients) const {
  const double sum = outputs.sum.row(row.b, row.h, row.i)[0];
  if (sum == 0) return;
  const bool softmax = falls_back(in, row);
  const std::int64_t dim = in.query.shape[3], dv = in.value.shape[3];
  const double* upstream = grad_out.row(row.b, row.h, row.i);
  const double* out = outputs.out.row(row.b, row.h, row.i);
  const double condition = outputs.condition.row(row.b, row.h, row.i)[0];
  double offset = grad_lse.row(row.b, row.h, row.i)[0], offset_size = std::fabs(offset);
  for (std::int64_t c = 0; c < dv; ++c) {
    offset -= upstream[c] * out[c];
    offset_size += std::fabs(upstream[c] * out[c]);
  }
  const double* q = in.query.row(row.b, row.h, row.i);
  for (const Entry& entry : row.entries) {
    const bool exponential = softmax || entry.heavy;
    const Weight whole = weigh(in, row, entry, exponential);
    const double* k = in.key.row(row.b, row.kv_head, entry.key);
    const double* value = in.value.row(row.b, row.kv_head, entry.key);
    double grad_weight = offset, grad_size = offset_size;
    for (std::int64_t c = 0; c < dv; ++c) {
      grad_weight += upstream[c] * value[c];
      grad_size += std::fabs(upstream[c] * value[c]);
      add(&Inputs::value, gradients, gradients.values.value.row(row.b, row.kv_head, entry.key) + c,
          whole.value / sum * upstream[c],
          condition * whole.size / std::fabs(sum) * std::fabs(upstream[c]));
    }
    for (std::int64_t c = 0; c < dim; ++c) {
      const double linear_q = factor(dim) * slope(q[c]) * phi(k[c]);
      const double linear_k = factor(dim) * phi(q[c]) * slope(k[c]);
      const double by_q = (exponential ? whole.value * scale_ * k[c] : linear_q) / sum;
      const double by_k = (exponential ? whole.value * scale_ * q[c] : linear_k) / sum;
      const double extra = entry.heavy ? 2 / std::fabs(sum) : 0;  // added and taken out
      const double unit = condition * grad_size;
      add(&Inputs::query, gradients, gradients.values.query.row(row.b, row.h, row.i) + c,
          grad_weight * by_q, unit * (std::fabs(by_q) + extra * std::fabs(linear_q)));
      add(&Inputs::key, gradients, gradients.values.key.row(row.b, row.kv_head, entry.key) + c,
          grad_weight * by_k, unit * (std::fabs(by_k) + extra * std::fabs(linear_k)));
    }
  }
}

}  // namespace subquad::testing
