#include "support/plain_hyper.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace subquad::testing {
namespace {

// What the library's heavy sets hold, asked entry by entry.
void read_heavy(const HeadProblem& head, const std::string& spec, std::uint64_t seed,
                PlainHead& plain) {
  plain.visible = VisibleKeys(head).count();
  plain.heavy.assign(static_cast<std::size_t>(plain.rows * plain.keys), 0);
  if (spec.empty()) return;
  const Method method = parse_method(spec);
  FilterScratch scratch;
  for (const auto& rule : method.heavy)
    for (const auto& set : rule->find(head, Rng(seed, head.kv_head), 1))
      for (std::int64_t i = 0; i < plain.rows; ++i) {
        const std::int64_t row = i * head.group + plain.in_group;
        std::vector<float> kept(static_cast<std::size_t>(plain.keys), 0.0F);
        set->remove(index_range(row, row + 1), index_range(0, plain.keys), kept.data(), plain.keys,
                    scratch);
        for (std::int64_t j = 0; j < plain.keys; ++j)
          if (kept[static_cast<std::size_t>(j)] != 0.0F)
            plain.heavy[static_cast<std::size_t>(i * plain.keys + j)] = 1;
      }
}

void read_scores(const Problem& problem, const SequenceRange& range, PlainHead& plain) {
  const double scale = static_cast<double>(resolved_scale(problem));
  const TensorView &q = problem.query, &k = problem.key;
  for (std::int64_t i = 0; i < plain.rows; ++i)
    for (std::int64_t j = 0; j < plain.keys; ++j) {
      double score =
          mask_entry(problem.mask, plain.b, plain.head, range.query_begin + i, range.key_begin + j);
      if (!in_band(problem, range, i, j)) score = nothing;
      double dot = 0;
      for (std::int64_t c = 0; c < q.channels(); ++c)
        dot += read_element(q, q.offset(plain.b, plain.head, range.query_begin + i) + c) *
               read_element(k, k.offset(plain.b, plain.kv_head, range.key_begin + j) + c);
      if (score != nothing) score += scale * dot;
      if (score != nothing) plain.max_score = std::max(plain.max_score, std::fabs(score));
      plain.scores.push_back(score);
    }
}

}  // namespace

double log_add(double a, double b) {
  const double top = std::max(a, b);
  return top == nothing ? top : top + std::log1p(std::exp(std::min(a, b) - top));
}

double PlainHead::log_sum(std::int64_t i, bool of_heavy) const {
  double sum = nothing;
  for (std::int64_t j = 0; j < keys; ++j)
    if (in_mask(i, j) == of_heavy) sum = log_add(sum, score(i, j));
  return sum;
}

std::vector<PlainHead> plain_heads(const Problem& problem, const std::string& heavy,
                                   std::uint64_t seed) {
  const std::vector<HeadProblem> heads = split_heads(problem);
  const std::int64_t kv_heads = problem.key.heads(), group = problem.query.heads() / kv_heads;
  std::vector<PlainHead> all;
  std::int64_t sequence = 0;
  for (const SequenceRange& range : sequence_ranges(problem))
    for (std::int64_t b = 0; b < problem.query.batch(); ++b, ++sequence)
      for (std::int64_t h = 0; h < problem.query.heads(); ++h) {
        PlainHead plain{sequence,
                        b,
                        h,
                        h / group,
                        h % group,
                        range.query_begin,
                        range.key_begin,
                        range.query_end - range.query_begin,
                        range.key_end - range.key_begin,
                        {},
                        {},
                        0};
        read_scores(problem, range, plain);
        read_heavy(heads[static_cast<std::size_t>(sequence * kv_heads + plain.kv_head)], heavy,
                   seed, plain);
        all.push_back(std::move(plain));
      }
  return all;
}

PlainApproxD plain_approx_d(const PlainHead& head, const ApproxDOptions& options,
                            const ApproxDHead& draws) {
  PlainApproxD result;
  const auto n = static_cast<double>(head.visible), m = static_cast<double>(draws.samples.size());
  for (const std::int64_t j : draws.tau_positions)
    result.log_tau = std::max(result.log_tau, head.log_sum(j, false));
  const double log_floor = result.log_tau - std::log(options.kappa);
  for (std::int64_t i = 0; i < head.rows; ++i) {
    const double heavy = head.log_sum(i, true), light = head.log_sum(i, false);
    const double log_cap = std::log(options.cap_constant) + 2 * std::log(options.epsilon) +
                           std::log(m / (n * std::log(n))) + log_add(heavy, log_floor);
    double d = nothing;
    for (const std::int64_t j : draws.samples) {
      if (head.in_mask(i, j)) continue;
      const bool above = options.cap && head.score(i, j) > log_cap;
      result.capped += above ? 1 : 0;
      d = log_add(d, std::log(n / m) + (above ? log_cap : head.score(i, j)));
    }
    const bool sees_any = log_add(heavy, light) != nothing;
    if (options.floor && sees_any && d < log_floor) {
      ++result.floored;
      d = log_floor;
    }
    const double sum = log_add(heavy, d);
    result.redone.push_back(sum == nothing && sees_any ? 1 : 0);
    result.log_row_sums.push_back(sum == nothing ? log_add(heavy, light) : sum);
  }
  return result;
}

}  // namespace subquad::testing
