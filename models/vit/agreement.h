// How right a classifier is, and how close to another one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace subquad::vit {

// Sums over pictures.
struct Agreement {
  std::int64_t images = 0;
  std::int64_t top1 = 0, top5 = 0;  // label is the largest logit, among the 5 largest
  std::int64_t same_top1 = 0;       // largest logit is the reference's
  double kl = 0;  // sum over pictures of KL(softmax(reference) || softmax(logits)), in nats

  // `label` below 0: none. Of equal logits the lower class is the larger. Not finite: wrong, and
  // kl turns NaN.
  void add(std::span<const float> logits, std::span<const float> reference, std::int64_t label);
};

struct Answer {
  std::int64_t label = 0;
  double probability = 0;
};

// The `count` classes with the largest logits (all, if there are fewer) and their softmax, the
// largest first; of equal ones the lower class, NaN last. Where a logit is not finite the
// probabilities are NaN.
std::vector<Answer> top_answers(std::span<const float> logits, std::size_t count);

}  // namespace subquad::vit
