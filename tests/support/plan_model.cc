#include "support/plan_model.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace subquad::testing {

PlanModel::PlanModel(const Problem& problem, const Method& method, std::uint64_t seed)
    : problem_(problem) {
  scale_ = problem.scale ? static_cast<double>(*problem.scale)
                         : 1.0 / std::sqrt(static_cast<double>(problem.query.channels()));
  for (const Route& route : route_heads(split_heads(problem), method))
    for (const HeadProblem& head : route.heads) add_head(head, *route.method, seed);
}

PlanModel::Outputs PlanModel::forward(const Inputs& in) const {
  const Shape4& q = in.query.shape;
  Outputs result{DenseTensor({q[0], q[1], q[2], in.value.shape[3]}),
                 DenseTensor({q[0], q[1], q[2], 1}), 0, in.value.max_abs()};
  for (const ModelRow& row : rows_) forward_row(in, row, result);
  return result;
}

PlanModel::Inputs PlanModel::backward(const Inputs& in, const Outputs& outputs,
                                      const DenseTensor& grad_out,
                                      const DenseTensor& grad_lse) const {
  Inputs gradients{DenseTensor(in.query.shape), DenseTensor(in.key.shape),
                   DenseTensor(in.value.shape)};
  for (const ModelRow& row : rows_) backward_row(in, outputs, grad_out, grad_lse, row, gradients);
  return gradients;
}

void PlanModel::add_head(const HeadProblem& head, const Method& method, std::uint64_t seed) {
  const std::size_t first = rows_.size();
  for (std::int64_t row = 0; row < head.num_rows(); ++row)
    rows_.push_back({head.batch,
                     head.query_head(row),
                     head.kv_head,
                     head.query_begin + head.position(row),
                     sink_of(head.query_head(row)),
                     {}});
  if (!method.exact && head.num_rows() > 0) add_plan(head, method, seed, first);
  for (std::int64_t row = 0; row < head.num_rows(); ++row) {
    ModelRow& model = rows_[first + static_cast<std::size_t>(row)];
    if (std::any_of(model.entries.begin(), model.entries.end(),
                    [](const ModelEntry& entry) { return entry.in_weights; }))
      continue;
    fallback_rows += !method.exact && any_in_band(head, row) ? 1 : 0;
    model.entries.clear();
    const KeyRun all{.rows = {row, row + 1}, .keys = index_range(0, head.num_keys)};
    add_run(head, index_range(0, head.num_rows()), all, {}, first);
  }
}

void PlanModel::add_plan(const HeadProblem& head, const Method& method, std::uint64_t seed,
                         std::size_t first) {
  HeadPlan plan(head, method, seed, 1);
  plan.finish(head);
  for (const PlanPass& pass : plan.passes())
    for (std::size_t g = 0; g < pass.groups.size(); ++g) {
      const IndexList& rows = pass.groups[g];
      for (const PlanStep& step : pass.steps) {
        RunList runs;
        step.set->add_runs(rows, static_cast<std::int64_t>(g), runs);
        for (const KeyRun& run : runs.runs()) add_run(head, rows, run, step.taken, first);
      }
      if (&pass != &plan.passes().back() || plan.light().sampler == nullptr) continue;
      RunList runs;
      plan.light().sampler->add_runs(rows, runs);
      for (const KeyRun& run : runs.runs())
        add_run(head, rows, run, run.with_heavy ? EntrySets{} : plan.sets(), first);
    }
}

void PlanModel::add_run(const HeadProblem& head, const IndexList& rows, const KeyRun& run,
                        const EntrySets& taken, std::size_t first) {
  for (std::int64_t r = run.rows.begin; r < run.rows.end; ++r)
    for (std::int64_t c = 0; c < run.keys.count; ++c) {
      const double shown = logit_shift(head, rows[r], run.keys[c]);
      if (shown == kHidden || is_left_out(rows, r, run, c, taken)) continue;
      const double bias = run.bias == nullptr ? 0.0 : static_cast<double>(run.bias[c]);
      rows_[first + static_cast<std::size_t>(rows[r])].entries.push_back(
          {head.key_begin + run.keys[c], std::exp(shown) * std::exp2(bias),
           run.sums != Sums::values, run.sums != Sums::weights});
    }
}

bool PlanModel::is_left_out(const IndexList& rows, std::int64_t r, const KeyRun& run,
                            std::int64_t c, const EntrySets& taken) {
  EntrySets sets = taken;
  if (run.leave_out != nullptr) sets.push_back(run.leave_out);
  float score = 0;
  FilterScratch scratch;
  for (const EntrySet* set : sets)
    set->remove(rows.slice(r, 1), run.keys.slice(c, 1), &score, 1, scratch);
  return score != 0;
}

double PlanModel::logit_shift(const HeadProblem& head, std::int64_t row, std::int64_t key) const {
  if (!in_band(problem_, range_of(head), head.position(row), key)) return kHidden;
  return mask_entry(problem_.mask, head.batch, head.query_head(row),
                    head.query_begin + head.position(row), head.key_begin + key);
}

bool PlanModel::any_in_band(const HeadProblem& head, std::int64_t row) const {
  for (std::int64_t key = 0; key < head.num_keys; ++key)
    if (in_band(problem_, range_of(head), head.position(row), key)) return true;
  return false;
}

double PlanModel::dot(const double* a, const double* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t c = 0; c < n; ++c) sum += a[c] * b[c];
  return sum;
}

void PlanModel::add(double* to, double factor, const double* from, std::int64_t n) {
  for (std::int64_t c = 0; c < n; ++c) to[c] += factor * from[c];
}

void PlanModel::forward_row(const Inputs& in, const ModelRow& row, Outputs& result) const {
  double top = row.sink;
  for (const ModelEntry& entry : row.entries)
    top = std::max(top, score(in, row, entry) + std::log(entry.weight));
  double sum = row.sink == kHidden ? 0 : std::exp(row.sink - top);
  std::vector<double> values(static_cast<std::size_t>(in.value.shape[3]));
  for (const ModelEntry& entry : row.entries) {
    const double s = score(in, row, entry);
    if (std::isfinite(s)) result.max_score = std::max(result.max_score, std::fabs(s));
    const double weight = std::exp(s + std::log(entry.weight) - top);
    if (entry.in_weights) sum += weight;
    if (entry.in_values)
      add(values.data(), weight, in.value.row(row.b, row.kv_head, entry.key), in.value.shape[3]);
  }
  result.lse.row(row.b, row.h, row.i)[0] = sum == 0 ? kHidden : top + std::log(sum);
  for (std::size_t c = 0; c < values.size(); ++c)
    result.out.row(row.b, row.h, row.i)[c] = sum == 0 ? 0 : values[c] / sum;
}

void PlanModel::backward_row(const Inputs& in, const Outputs& outputs, const DenseTensor& grad_out,
                             const DenseTensor& grad_lse, const ModelRow& row,
                             Inputs& gradients) const {
  const std::int64_t d = in.query.shape[3], dv = in.value.shape[3];
  const double* upstream = grad_out.row(row.b, row.h, row.i);
  const double of_sum = grad_lse.row(row.b, row.h, row.i)[0] -
                        dot(upstream, outputs.out.row(row.b, row.h, row.i), dv);
  const double lse = outputs.lse.row(row.b, row.h, row.i)[0];
  for (const ModelEntry& entry : row.entries) {
    const double share = std::exp(score(in, row, entry) + std::log(entry.weight) - lse);
    const double* value = in.value.row(row.b, row.kv_head, entry.key);
    double grad_score = 0;
    if (entry.in_weights) grad_score += share * of_sum;
    if (entry.in_values) {
      grad_score += share * dot(upstream, value, dv);
      add(gradients.value.row(row.b, row.kv_head, entry.key), share, upstream, dv);
    }
    add(gradients.query.row(row.b, row.h, row.i), scale_ * grad_score,
        in.key.row(row.b, row.kv_head, entry.key), d);
    add(gradients.key.row(row.b, row.kv_head, entry.key), scale_ * grad_score,
        in.query.row(row.b, row.h, row.i), d);
  }
}

}  // namespace subquad::testing
