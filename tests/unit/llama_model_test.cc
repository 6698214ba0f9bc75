// The forward of a Llama against plain double loops: whole, in chunks, token by token.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "llama/checkpoint.h"
#include "llama/model.h"
#include "llama/token_scores.h"
#include "support/draw.h"
#include "support/invalid.h"
#include "support/plain_llama.h"

namespace subquad::testing {
namespace {

using llama::Checkpoint;
using llama::ForwardCounts;
using llama::ForwardOptions;
using llama::Model;

using Tokens = std::vector<std::int32_t>;
using FloatRows = std::vector<std::vector<float>>;

Tokens draw_tokens(std::uint64_t seed, int count) {
  Draw draw(seed);
  Tokens tokens;
  for (int i = 0; i < count; ++i)
    tokens.push_back(static_cast<std::int32_t>(draw.integer(0, RandomLlama::vocabulary - 1)));
  return tokens;
}

class LlamaModel : public ::testing::Test {
 protected:
  LlamaModel() {
    const std::string path =
        (std::filesystem::temp_directory_path() /
         ("subquad_tiny_llama_" +
          std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) + ".bin"))
            .string();
    tiny_.write(path);
    checkpoint_ = llama::load_checkpoint(path);
    std::filesystem::remove(path);
  }

  // States of all tokens, appended `chunk` at a time.
  FloatRows states(const Tokens& tokens, std::int64_t chunk, ForwardOptions options = {}) const {
    options.threads = options.threads == 0 ? 2 : options.threads;
    Model model(checkpoint_, checkpoint_.config.rotary, RandomLlama::context);
    ForwardCounts counts;
    FloatRows rows;
    for (std::size_t first = 0; first < tokens.size(); first += static_cast<std::size_t>(chunk)) {
      const std::size_t count = std::min(static_cast<std::size_t>(chunk), tokens.size() - first);
      const ops::Activations part =
          model.append(std::span(tokens).subspan(first, count), options, counts);
      for (std::int64_t r = 0; r < part.rows().count; ++r)
        rows.emplace_back(part.rows().row(r), part.rows().row(r) + RandomLlama::width);
    }
    return rows;
  }

  static void expect_near(const FloatRows& actual, const DoubleRows& expected, double tolerance) {
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t r = 0; r < actual.size(); ++r)
      for (std::size_t c = 0; c < expected[r].size(); ++c)
        ASSERT_NEAR(actual[r][c], expected[r][c],
                    tolerance * std::max(1.0, std::abs(double{expected[r][c]})))
            << "row " << r << " channel " << c;
  }

  static DoubleRows doubles(const FloatRows& rows) {
    DoubleRows result;
    for (const auto& row : rows) result.emplace_back(row.begin(), row.end());
    return result;
  }

  const RandomLlama tiny_{7};
  Checkpoint checkpoint_;
  const Tokens tokens_ = draw_tokens(3, 61);
};

TEST_F(LlamaModel, MatchesPlainLoops) {
  expect_near(states(tokens_, 61), PlainLlama{tiny_}.states(tokens_), 2e-5);
}

TEST_F(LlamaModel, BiasesAndHalvesMatchPlainLoops) {
  PlainLlama plain{tiny_};
  plain.halves = true;
  checkpoint_.config.rotary.pairs = llama::RotaryPairs::halves;
  Draw draw(9);
  for (llama::LlamaLayer& layer : checkpoint_.layers) {
    const auto fill = [&](std::int64_t count, std::vector<float>& bias, DoubleRows& expected) {
      for (std::int64_t i = 0; i < count; ++i) bias.push_back(static_cast<float>(draw.normal()));
      expected.emplace_back(bias.begin(), bias.end());
    };
    fill(layer.query.rows, layer.query_bias, plain.query_bias);
    fill(layer.key.rows, layer.key_bias, plain.key_bias);
    fill(layer.value.rows, layer.value_bias, plain.value_bias);
  }
  expect_near(states(tokens_, 61), plain.states(tokens_), 2e-5);
}

TEST_F(LlamaModel, ChunksGiveTheStatesOfTheWhole) {
  const DoubleRows whole = doubles(states(tokens_, 61));
  for (const std::int64_t chunk : {7, 30, 60}) expect_near(states(tokens_, chunk), whole, 1e-5);
}

TEST_F(LlamaModel, DecodingGivesTheStatesOfPrefill) {
  expect_near(states(tokens_, 1), doubles(states(tokens_, 61)), 1e-5);
}

// After truncation the rest continues as if what was cut had never been appended.
TEST_F(LlamaModel, TruncationLeavesNoTrace) {
  ForwardOptions options;
  options.attention = {"exact", "uniform(m=8)"};
  options.threads = 2;
  ForwardCounts counts;
  const std::span all(tokens_);
  const auto rest = [&](const Tokens& between) {
    Model model(checkpoint_, checkpoint_.config.rotary, RandomLlama::context);
    model.append(all.first(40), options, counts);
    if (!between.empty()) model.append(between, options, counts);
    model.truncate(40);
    EXPECT_EQ(model.length(), 40);
    FloatRows rows;
    for (const auto& part : {all.subspan(40, 20), all.subspan(60, 1)}) {
      const ops::Activations states = model.append(part, options, counts);
      for (std::int64_t r = 0; r < states.rows().count; ++r)
        rows.emplace_back(states.rows().row(r), states.rows().row(r) + RandomLlama::width);
    }
    return rows;
  };
  const FloatRows fresh = rest({});
  EXPECT_EQ(rest(draw_tokens(8, 30)), fresh);
  EXPECT_EQ(rest(draw_tokens(9, 1)), fresh);
}

TEST_F(LlamaModel, TruncationStaysInside) {
  Model model(checkpoint_, checkpoint_.config.rotary, RandomLlama::context);
  ForwardCounts counts;
  model.append(std::span(tokens_).first(5), {}, counts);
  expect_invalid("6 of a cache that holds 5", [&] { model.truncate(6); });
  expect_invalid("-1 of a cache that holds 5", [&] { model.truncate(-1); });
  EXPECT_EQ(model.length(), 5);
}

TEST_F(LlamaModel, ThreadsChangeNoBit) {
  ForwardOptions options;
  options.attention = {"exact", "uniform(m=8)"};
  options.seed = 4;
  options.threads = 1;
  const FloatRows one = states(tokens_, 61, options);
  options.threads = 3;
  EXPECT_EQ(states(tokens_, 61, options), one);
  options.seed = 5;
  EXPECT_NE(states(tokens_, 61, options), one);
}

// A window of 4 keys in both layers: states depend on the last 7 tokens.
TEST_F(LlamaModel, LayersTakeTheirSpec) {
  ForwardOptions options;
  options.attention = {"window(4)", "exact"};
  const FloatRows first = states(tokens_, 61, options);
  options.attention = {"exact", "window(4)"};
  const FloatRows second = states(tokens_, 61, options);
  EXPECT_NE(first, second);
  options.attention = {"window(4)", "window(4)"};
  Tokens changed = tokens_;
  changed[10] = (changed[10] + 1) % RandomLlama::vocabulary;
  const FloatRows a = states(tokens_, 61, options), b = states(changed, 61, options);
  EXPECT_NE(a[16], b[16]);
  EXPECT_EQ(a[17], b[17]);
}

TEST_F(LlamaModel, ObserverSeesTurnedQueriesAndKeys) {
  ForwardOptions options;
  std::vector<std::int64_t> seen;
  options.observe = [&](std::int64_t layer, const Problem& problem) {
    seen.push_back(layer);
    EXPECT_EQ(problem.query.shape, (Shape4{1, 4, 61, 6}));
    EXPECT_EQ(problem.key.shape, (Shape4{1, 2, 61, 6}));
    EXPECT_EQ(problem.causal, Causal::bottom_right);
  };
  states(tokens_, 61, options);
  EXPECT_EQ(seen, (std::vector<std::int64_t>{0, 1}));
}

TEST_F(LlamaModel, LogProbabilitiesMatchPlainLoops) {
  Model model(checkpoint_, checkpoint_.config.rotary, RandomLlama::context);
  ForwardCounts counts;
  const ops::Activations states = model.append(tokens_, {}, counts);
  const Tokens next(tokens_.begin() + 1, tokens_.end());
  const std::vector<double> actual =
      llama::log_probabilities(checkpoint_.classifier, states.rows().slice(0, 60), next, 2);
  const PlainLlama plain{tiny_};
  const DoubleRows expected = plain.states(tokens_);
  const std::vector<float> last = llama::logits(checkpoint_.classifier, states.rows().row(60), 2);
  const std::vector<double> plain_last = plain.logits(expected[60]);
  ASSERT_EQ(last.size(), plain_last.size());
  for (std::size_t c = 0; c < last.size(); ++c) ASSERT_NEAR(last[c], plain_last[c], 1e-4);
  for (std::size_t r = 0; r < 60; ++r) {
    const std::vector<double> logits = plain.logits(expected[r]);
    double sum = 0;
    for (const double logit : logits) sum += std::exp(logit);
    ASSERT_NEAR(actual[r], logits[static_cast<std::size_t>(next[r])] - std::log(sum), 1e-4) << r;
  }
}

TEST_F(LlamaModel, RefusesWhatItCannotRun) {
  const auto& rotary = checkpoint_.config.rotary;
  expect_invalid("97 tokens are more than the 96", [&] { Model(checkpoint_, rotary, 97); });
  Model model(checkpoint_, rotary, 10);
  ForwardCounts counts;
  expect_invalid("270 is outside", [&] { model.append(Tokens{1, 270}, {}, counts); });
  expect_invalid("-1 is outside", [&] { model.append(Tokens{-1}, {}, counts); });
  expect_invalid("there are none", [&] { model.append(Tokens{}, {}, counts); });
  expect_invalid("context of 10", [&] { model.append(draw_tokens(1, 11), {}, counts); });
  ForwardOptions options;
  options.attention = {"exact"};
  expect_invalid("1 specs for 2 layers", [&] { model.append(Tokens{1}, options, counts); });
  options.attention = {"exact", "nothing"};
  expect_invalid("nothing", [&] { model.append(Tokens{1}, options, counts); });
  EXPECT_EQ(model.length(), 0);
}

TEST_F(LlamaModel, AnotherBaseCarriesFurther) {
  llama::RotaryConfig rotary = checkpoint_.config.rotary;
  rotary.base = 40'000;
  Model model(checkpoint_, rotary, 150);
  ForwardCounts counts;
  const Tokens tokens = draw_tokens(5, 150);
  const ops::Activations states = model.append(tokens, {}, counts);
  PlainLlama plain{tiny_};
  for (std::size_t i = 0; i < 3; ++i)
    plain.angles[i] = std::pow(40'000.0, -2 * static_cast<double>(i) / 6);
  const DoubleRows expected = plain.states(tokens);
  for (std::int64_t c = 0; c < RandomLlama::width; ++c)
    ASSERT_NEAR(states.rows().row(149)[c], expected[149][static_cast<std::size_t>(c)], 2e-5);
}

}  // namespace
}  // namespace subquad::testing
