#include "support/plain_topk.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace subquad::testing {

PlainTopk::PlainTopk(const Problem& problem, std::int64_t k)
    : out({problem.query.shape[0], problem.query.shape[1], problem.query.shape[2],
           problem.value.shape[3]}),
      lse({problem.query.shape[0], problem.query.shape[1], problem.query.shape[2], 1}),
      gap(lse.shape),
      problem_(problem),
      k_(static_cast<std::size_t>(k)),
      query_(read_tensor(problem.query)),
      key_(read_tensor(problem.key)),
      value_(read_tensor(problem.value)) {
  kept.resize(lse.values.size() * static_cast<std::size_t>(problem.key.shape[2]), 0);
  scale_ = problem.scale ? static_cast<double>(*problem.scale)
                         : 1.0 / std::sqrt(static_cast<double>(problem.query.channels()));
  for (const SequenceRange& range : sequence_ranges(problem))
    for (std::int64_t b = 0; b < problem.query.batch(); ++b)
      for (std::int64_t h = 0; h < problem.query.heads(); ++h)
        for (std::int64_t i = 0; i < range.query_end - range.query_begin; ++i)
          add_row(range, b, h, i);
}

std::vector<PlainTopk::Entry> PlainTopk::visible(const SequenceRange& range, std::int64_t b,
                                                 std::int64_t h, std::int64_t i) {
  const std::int64_t kv_head = h / (problem_.query.heads() / problem_.key.heads());
  const double* q = query_.row(b, h, range.query_begin + i);
  std::vector<Entry> entries;
  for (std::int64_t j = 0; j < range.key_end - range.key_begin; ++j) {
    const double shift = mask_entry(problem_.mask, b, h, i, j);
    if (!in_band(problem_, range, i, j) || shift == -HUGE_VAL) continue;
    const double* key = key_.row(b, kv_head, range.key_begin + j);
    double dot = 0;
    for (std::int64_t c = 0; c < query_.shape[3]; ++c) dot += q[c] * key[c];
    entries.emplace_back(scale_ * dot + shift, range.key_begin + j);
    max_score = std::max(max_score, std::fabs(entries.back().first));
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.first > b.first; });
  return entries;
}

void PlainTopk::add_row(const SequenceRange& range, std::int64_t b, std::int64_t h,
                        std::int64_t i) {
  std::vector<Entry> entries = visible(range, b, h, i);
  const std::int64_t row = range.query_begin + i;
  const bool cut = entries.size() > k_;
  gap.row(b, h, row)[0] = cut ? entries[k_ - 1].first - entries[k_].first : HUGE_VAL;
  if (cut) entries.resize(k_);
  double top = -HUGE_VAL, sum = 0;
  if (!problem_.sink_logits.empty())
    top = static_cast<double>(problem_.sink_logits[static_cast<std::size_t>(h)]);
  const double sink = top;
  for (const Entry& entry : entries) top = std::max(top, entry.first);
  if (sink != -HUGE_VAL) sum = std::exp(sink - top);
  const std::int64_t kv_head = h / (problem_.query.heads() / problem_.key.heads());
  for (const auto& [score, key] : entries) {
    const double weight = std::exp(score - top);
    sum += weight;
    const std::int64_t flat = (b * query_.shape[1] + h) * query_.shape[2] + row;
    kept[static_cast<std::size_t>(flat * key_.shape[2] + key)] = 1;
    for (std::int64_t c = 0; c < value_.shape[3]; ++c)
      out.row(b, h, row)[c] += weight * value_.row(b, kv_head, key)[c];
  }
  for (std::int64_t c = 0; c < value_.shape[3] && sum > 0; ++c) out.row(b, h, row)[c] /= sum;
  lse.row(b, h, row)[0] = sum > 0 ? top + std::log(sum) : -HUGE_VAL;
}

}  // namespace subquad::testing
