#include "support/plain_blocks.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "methods/method.h"
#include "run/head_plan.h"
#include "support/reference_attention.h"

namespace subquad::testing {
namespace {

SequenceRange range_of(const HeadProblem& head) {
  return {head.query_begin, head.query_begin + head.query_len, head.key_begin,
          head.key_begin + head.num_keys};
}

bool has_band(const Problem& problem) {
  return problem.causal != Causal::none || problem.window.left >= 0 || problem.window.right >= 0;
}

}  // namespace

PlainBlocks::PlainBlocks(const HeadProblem& head, const std::string& heavy, std::int64_t block)
    : head_(head), block_(block), heavy_(at(head.num_rows() * head.num_keys), 0) {
  if (heavy.empty()) return;
  const Method method = parse_method(heavy);
  HeadPlan plan(head, method, 0, 1);
  plan.finish(head);
  heavy_ = heavy_entries(head, plan.sets());
}

bool PlainBlocks::in_band_of(std::int64_t i, std::int64_t key) const {
  return in_band(*head_.problem, range_of(head_), head_.position(i), key);
}

bool PlainBlocks::is_hidden(std::int64_t i, std::int64_t key) const {
  return mask_entry(head_.problem->mask, head_.batch, head_.query_head(i), head_.position(i),
                    key) != 0.0;
}

bool PlainBlocks::sees(std::int64_t i, std::int64_t key) const {
  return in_band_of(i, key) && !is_hidden(i, key);
}

bool PlainBlocks::sees_any(std::int64_t i) const {
  for (std::int64_t key = 0; key < head_.num_keys; ++key)
    if (sees(i, key)) return true;
  return false;
}

bool PlainBlocks::is_whole(std::int64_t i, std::int64_t b) const {
  if (block_ == 0) return false;
  if (!has_band(*head_.problem)) return true;
  if ((b + 1) * block_ > head_.num_keys) return false;
  for (std::int64_t key = b * block_; key < (b + 1) * block_; ++key)
    if (!in_band_of(i, key)) return false;
  if (head_.problem->causal == Causal::none) return true;
  std::int64_t last = head_.num_keys - 1;
  while (!in_band_of(i, last)) --last;
  return last >= (b + 1) * block_;
}

double PlainBlocks::mean_score(const PlainTensors& tensors, std::int64_t i, std::int64_t b) const {
  double sum = 0, count = 0;
  for (std::int64_t key = b * block_; key < std::min((b + 1) * block_, head_.num_keys); ++key) {
    if (is_hidden(i, key)) continue;
    sum += tensors.score(i, key);
    ++count;
  }
  return sum / count;
}

PlainRow PlainBlocks::sum(const PlainTensors& tensors, std::int64_t i,
                          const std::vector<Entry>& entries) const {
  double reference = -std::numeric_limits<double>::infinity();
  for (const Entry& entry : entries) reference = std::max(reference, entry.score);
  std::vector<double> sums(at(head_.value_dim() + 1), 0.0);
  for (const Entry& entry : entries) {
    const double weight = std::exp(entry.score - reference);
    add_scaled(weight, tensors.value.row(entry.key), head_.value_dim(), sums.data());
    sums.back() += weight;
  }
  return finish_row(head_, i, sums, reference);
}

PlainRow PlainBlocks::row(const PlainTensors& tensors, std::int64_t i) const {
  std::vector<Entry> entries;
  std::int64_t block = -1;
  double mean = 0;
  for (std::int64_t key = 0; key < head_.num_keys; ++key) {
    if (!sees(i, key)) continue;
    if (is_heavy(i, key)) {
      entries.push_back({tensors.score(i, key), key});
      continue;
    }
    if (block_ == 0) continue;
    const std::int64_t b = key / block_;
    const bool whole = is_whole(i, b);
    if (whole && b != block) mean = mean_score(tensors, i, block = b);
    entries.push_back({whole ? mean : tensors.score(i, key), key});
  }
  return sum(tensors, i, entries);
}

PlainRow PlainBlocks::exact_row(const PlainTensors& tensors, std::int64_t i) const {
  std::vector<Entry> entries;
  for (std::int64_t key = 0; key < head_.num_keys; ++key)
    if (sees(i, key)) entries.push_back({tensors.score(i, key), key});
  return sum(tensors, i, entries);
}

PlainRow PlainBlocks::corrected_row(const PlainTensors& tensors, std::int64_t i,
                                    std::int64_t step) const {
  const std::int64_t position = head_.position(i);
  const std::int64_t dense = i - position % step * head_.group;
  if (dense == i) return exact_row(tensors, i);
  PlainRow result = row(tensors, i);
  if (!sees_any(dense)) return result;
  const PlainRow exact = exact_row(tensors, dense), own = row(tensors, dense);
  add_scaled(1, exact.out.data(), head_.value_dim(), result.out.data());
  add_scaled(-1, own.out.data(), head_.value_dim(), result.out.data());
  return result;
}

}  // namespace subquad::testing
