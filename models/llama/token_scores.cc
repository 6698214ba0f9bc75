#include "llama/token_scores.h"

#include <algorithm>

#include "core/threads.h"
#include "llama/linear.h"
#include "ops/activations.h"
#include "ops/log_sum_exp.h"

namespace subquad::llama {
namespace {

constexpr std::int64_t kBlock = 256;

}  // namespace

std::vector<double> log_probabilities(const WeightMatrix& classifier, const ops::Rows& states,
                                      std::span<const std::int32_t> targets, int threads) {
  threads = resolved_threads(threads);
  std::vector<double> result(targets.size());
  ops::Activations scores(std::min(kBlock, states.count), padded_outputs(classifier.rows));
  for (std::int64_t first = 0; first < states.count; first += kBlock) {
    const std::int64_t count = std::min(kBlock, states.count - first);
    multiply(classifier, {}, states.slice(first, count), scores.rows().slice(0, count), threads);
    parallel_for(threads, count, [&](std::int64_t r) {
      const auto row = static_cast<std::size_t>(first + r);
      const float* logits = scores.rows().row(r);
      result[row] =
          static_cast<double>(logits[targets[row]]) - ops::log_sum_exp(logits, classifier.rows);
    });
  }
  return result;
}

std::vector<float> logits(const WeightMatrix& classifier, const float* state, int threads) {
  ops::Activations copy(1, classifier.cols);
  std::copy_n(state, classifier.cols, copy.rows().data);
  std::vector<float> result(static_cast<std::size_t>(padded_outputs(classifier.rows)));
  multiply(classifier, {}, copy.rows(), {result.data(), std::ssize(result), 1},
           resolved_threads(threads));
  result.resize(static_cast<std::size_t>(classifier.rows));
  return result;
}

}  // namespace subquad::llama
