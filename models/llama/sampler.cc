#include "llama/sampler.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/rng.h"
#include "subquad/error.h"

namespace subquad::llama {
namespace {

struct Candidate {
  std::int32_t token;
  double probability;
};

std::int32_t best_token(std::span<const float> scores) {
  const auto best = std::max_element(scores.begin(), scores.end());
  return static_cast<std::int32_t>(best - scores.begin());
}

std::vector<Candidate> softmax(std::span<const float> scores, double temperature) {
  const auto largest = static_cast<double>(*std::max_element(scores.begin(), scores.end()));
  std::vector<Candidate> candidates;
  double sum = 0;
  for (std::size_t t = 0; t < scores.size(); ++t) {
    const double weight = std::exp((static_cast<double>(scores[t]) - largest) / temperature);
    candidates.push_back({static_cast<std::int32_t>(t), weight});
    sum += weight;
  }
  for (Candidate& candidate : candidates) candidate.probability /= sum;
  return candidates;
}

// Leaves the most probable tokens up to the one that fills `share`, and returns their sum.
double keep_top(double share, std::vector<Candidate>& candidates) {
  // All that are smaller have less than 1 - share together.
  const double floor = (1 - share) / static_cast<double>(candidates.size());
  std::erase_if(candidates, [&](const Candidate& c) { return c.probability < floor; });
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.probability > b.probability; });
  double sum = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    sum += candidates[i].probability;
    if (sum >= share) candidates.resize(i + 1);
  }
  return sum;
}

}  // namespace

std::int32_t sample_token(std::span<const float> scores, std::int64_t position,
                          const SamplerOptions& options) {
  for (const float score : scores)
    if (!std::isfinite(score)) throw_failed("the model's scores of the next token are not finite");
  if (options.temperature == 0) return best_token(scores);
  std::vector<Candidate> candidates = softmax(scores, static_cast<double>(options.temperature));
  const double sum =
      options.top_p < 1 ? keep_top(static_cast<double>(options.top_p), candidates) : 1;
  const Rng rng(options.seed, 0);
  const auto bits = rng.bits(Purpose::token, static_cast<std::uint32_t>(position), 0);
  double left = std::ldexp(static_cast<double>(bits >> 11), -53) * sum;
  for (const Candidate& candidate : candidates) {
    left -= candidate.probability;
    if (left < 0) return candidate.token;
  }
  return candidates.back().token;
}

}  // namespace subquad::llama
