// Drawing tokens: greedy, by temperature, from the top, the same by the same seed.
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "llama/sampler.h"
#include "subquad/error.h"

namespace subquad::testing {
namespace {

using llama::sample_token;
using llama::SamplerOptions;

// Logarithms of 1/2, 1/4, 1/8, 1/8 and a constant.
const std::vector<float> scores{3.0F, 3.0F + std::log(2.0F), 3.0F - std::log(2.0F),
                                3.0F - std::log(2.0F)};

std::map<std::int32_t, int> counts(const SamplerOptions& options, int draws) {
  std::map<std::int32_t, int> result;
  for (int position = 0; position < draws; ++position)
    ++result[sample_token(scores, position, options)];
  return result;
}

TEST(LlamaSampler, GreedyTakesTheFirstOfTheBest) {
  EXPECT_EQ(sample_token(scores, 0, {}), 1);
  EXPECT_EQ(sample_token(std::vector<float>{1, 2, 2}, 5, {}), 1);
}

// Standard deviation of a count below 32 of 4,000.
// A model may have rows after its last token: they are left out of the scores.
TEST(LlamaSampler, DrawsOfTheTokensGivenOnly) {
  const std::span<const float> first = std::span(scores).first(1);
  EXPECT_EQ(sample_token(first, 0, {}), 0);
  for (int position = 0; position < 50; ++position)
    EXPECT_EQ(sample_token(first, position, {.temperature = 1}), 0);
}

TEST(LlamaSampler, DrawsByProbability) {
  auto drawn = counts({.temperature = 1, .seed = 3}, 4'000);
  EXPECT_NEAR(drawn[0], 1'000, 150);
  EXPECT_NEAR(drawn[1], 2'000, 150);
  EXPECT_NEAR(drawn[2], 500, 110);
  EXPECT_NEAR(drawn[3], 500, 110);
}

// At temperature 1/2 probabilities are as 4, 16, 1, 1.
TEST(LlamaSampler, TemperatureSharpens) {
  auto drawn = counts({.temperature = 0.5F, .seed = 3}, 4'400);
  EXPECT_NEAR(drawn[1], 3'200, 150);
  EXPECT_NEAR(drawn[0], 800, 130);
}

TEST(LlamaSampler, TopShareLeavesOutTheRest) {
  EXPECT_EQ(counts({.temperature = 1, .top_p = 0.4F}, 300).size(), 1u);
  auto drawn = counts({.temperature = 1, .top_p = 0.7F, .seed = 1}, 3'000);
  EXPECT_EQ(drawn.size(), 2u);
  EXPECT_NEAR(drawn[1], 2'000, 130);
  EXPECT_EQ(counts({.temperature = 1, .top_p = 0.8F}, 300).size(), 3u);
}

TEST(LlamaSampler, SeedDecides) {
  const auto series = [](std::uint64_t seed) {
    std::vector<std::int32_t> tokens;
    for (int position = 0; position < 50; ++position)
      tokens.push_back(sample_token(scores, position, {.temperature = 1, .seed = seed}));
    return tokens;
  };
  EXPECT_EQ(series(7), series(7));
  EXPECT_NE(series(7), series(8));
}

TEST(LlamaSampler, RefusesWhatIsNotFinite) {
  const std::vector<float> bad{1, std::nanf("")};
  EXPECT_THROW(sample_token(bad, 0, {}), Error);
}

}  // namespace
}  // namespace subquad::testing
