#include "vit/agreement.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace subquad::vit {
namespace {

// Classes ahead of `label`; a label whose logit is NaN is behind all others.
std::int64_t rank_of(std::span<const float> logits, std::size_t label) {
  std::int64_t rank = 0;
  for (std::size_t c = 0; c < logits.size(); ++c)
    rank += c < label ? !(logits[c] < logits[label]) : c > label && !(logits[c] <= logits[label]);
  return rank;
}

std::size_t largest(std::span<const float> logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double log_sum(std::span<const float> logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - top);
  return top + std::log(sum);
}

double divergence(std::span<const float> p, std::span<const float> q) {
  const double lse_p = log_sum(p), lse_q = log_sum(q);
  double sum = 0;
  for (std::size_t c = 0; c < p.size(); ++c) {
    const double log_p = p[c] - lse_p, log_q = q[c] - lse_q;
    sum += std::exp(log_p) * (log_p - log_q);
  }
  return sum;
}

}  // namespace

void Agreement::add(std::span<const float> logits, std::span<const float> reference,
                    std::int64_t label) {
  ++images;
  if (label >= 0) {
    const std::int64_t rank = rank_of(logits, static_cast<std::size_t>(label));
    top1 += rank < 1;
    top5 += rank < 5;
  }
  same_top1 += rank_of(logits, largest(reference)) == 0;
  kl += divergence(reference, logits);
}

std::vector<Answer> top_answers(std::span<const float> logits, std::size_t count) {
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return logits[a] > logits[b] || (std::isnan(logits[b]) && !std::isnan(logits[a]));
  });
  order.resize(std::min(count, order.size()));
  const double lse = log_sum(logits);
  std::vector<Answer> answers;
  for (const std::size_t c : order)
    answers.push_back({static_cast<std::int64_t>(c), std::exp(logits[c] - lse)});
  return answers;
}

}  // namespace subquad::vit
