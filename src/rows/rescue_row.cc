#include "rows/rescue_row.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/pack.h"
#include "rows/head_rows.h"
#include "rows/visible_keys.h"

namespace subquad {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();
constexpr double kLargest = std::numeric_limits<float>::max();

std::vector<float> load_one(const kernels::RowSource& source, std::int64_t j) {
  std::vector<float> row(static_cast<std::size_t>(source.width));
  kernels::load_rows(source.slice(j, 1), 1.0f, row.data(), source.width, source.width);
  return row;
}

std::vector<float> load_query(const HeadProblem& head, std::int64_t row) {
  std::vector<float> query(static_cast<std::size_t>(head.head_dim()));
  load_head_rows(head, head.problem->query, index_range(row, row + 1), 1.0f, query.data(),
                 head.head_dim());
  return query;
}

double mask_value(const HeadProblem& head, std::int64_t row, std::int64_t key) {
  if (head.problem->mask.kind != MaskKind::additive) return 0;
  return double{static_cast<const float*>(head.mask_row(row))[key]};
}

double sink_logit(const HeadProblem& head, std::int64_t row) {
  const auto& sinks = head.problem->sink_logits;
  return sinks.empty() ? kNothing : double{sinks[static_cast<std::size_t>(head.query_head(row))]};
}

bool all_seen_finite(const HeadProblem& head, std::int64_t row, const kernels::RowSource& source) {
  const Range seen = head.visible(row);
  if (kernels::all_finite(source.slice(seen.begin, seen.end - seen.begin))) return true;
  for (std::int64_t key = seen.begin; key < seen.end; ++key)
    if (sees(head, row, key) && !kernels::all_finite(source.slice(key, 1))) return false;
  return true;
}

}  // namespace

bool sees_only_finite(const HeadProblem& head, std::int64_t row) {
  const std::vector<float> query = load_query(head, row);
  return std::all_of(query.begin(), query.end(), [](float x) { return std::isfinite(x); }) &&
         all_seen_finite(head, row, head.keys()) && all_seen_finite(head, row, head.values());
}

std::vector<double> double_scores(const HeadProblem& head, std::int64_t row) {
  const std::vector<float> query = load_query(head, row);
  const double scale = double{resolved_scale(*head.problem)};
  std::vector<double> scores;
  const Range seen = head.visible(row);
  for (std::int64_t key = seen.begin; key < seen.end; ++key) {
    scores.push_back(kNothing);
    if (!sees(head, row, key)) continue;
    const std::vector<float> k = load_one(head.keys(), key);
    double dot = 0;
    for (std::size_t c = 0; c < query.size(); ++c) dot += double{query[c]} * double{k[c]};
    scores.back() = scale * dot + mask_value(head, row, key);
  }
  return scores;
}

void rescue_row(const HeadProblem& head, std::int64_t row, const Outputs& outputs) {
  if (!sees_only_finite(head, row)) return;
  const std::vector<double> scores = double_scores(head, row);
  const double sink = sink_logit(head, row);
  double top = sink;
  for (const double score : scores) top = std::max(top, score);
  if (!std::isfinite(top)) return;  // nothing is seen
  double l = std::exp(sink - top);
  std::vector<double> sum(static_cast<std::size_t>(head.value_dim()), 0.0);
  for (std::size_t j = 0; j < scores.size(); ++j) {
    const double weight = std::exp(scores[j] - top);
    if (weight == 0) continue;
    const std::vector<float> value =
        load_one(head.values(), head.visible(row).begin + static_cast<std::int64_t>(j));
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += weight * double{value[c]};
    l += weight;
  }
  std::vector<float> out;
  for (const double s : sum)
    out.push_back(static_cast<float>(std::clamp(s / l, -kLargest, kLargest)));
  kernels::store_row(out.data(), head.value_dim(), 1.0f, outputs.out.dtype,
                     head.row_in(outputs.out, row));
  if (!outputs.lse.empty())
    *static_cast<float*>(head.row_in(outputs.lse, row)) =
        static_cast<float>(std::clamp(top + std::log(l), -kLargest, kLargest));
}

}  // namespace subquad
