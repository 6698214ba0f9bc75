#include "vit/agreement.h"

#include <algorithm>
#include <cmath>

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

}  // namespace subquad::vit
