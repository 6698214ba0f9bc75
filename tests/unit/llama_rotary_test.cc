// Rotary embedding: both layouts of pairs, parts of a head, linear scaling and YaRN.
#include <array>
#include <cmath>
#include <complex>
#include <cstdint>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

#include "llama/rotary_table.h"
#include "support/draw.h"
#include "support/invalid.h"

namespace subquad::testing {
namespace {

using llama::RotaryConfig;
using llama::RotaryPairs;
using llama::RotaryScaling;
using llama::RotaryTable;

RotaryConfig plain_config(std::int64_t dimensions, RotaryPairs pairs) {
  RotaryConfig config;
  config.dimensions = dimensions;
  config.pairs = pairs;
  return config;
}

// Turns the leading `dimensions` of 10 entries at every position and compares with complex numbers.
void check_layout(std::int64_t dimensions, RotaryPairs layout) {
  const RotaryTable table(plain_config(dimensions, layout), 50);
  Draw draw(static_cast<std::uint64_t>(dimensions));
  std::vector<float> head(10);
  for (float& value : head) value = static_cast<float>(draw.normal());
  for (const std::int64_t position : {0, 1, 7, 49}) {
    std::vector<float> turned = head;
    table.turn(position, turned.data());
    const auto pairs = static_cast<std::size_t>(dimensions / 2);
    for (std::size_t i = 0; i < pairs; ++i) {
      const bool halves = layout == RotaryPairs::halves;
      const std::size_t a = halves ? i : 2 * i, b = halves ? i + pairs : 2 * i + 1;
      const double angle =
          static_cast<double>(position) *
          std::pow(10'000.0, -2.0 * static_cast<double>(i) / static_cast<double>(dimensions));
      const std::complex<double> expected =
          std::complex<double>(head[a], head[b]) * std::polar(1.0, angle);
      ASSERT_NEAR(turned[a], expected.real(), 1e-6);
      ASSERT_NEAR(turned[b], expected.imag(), 1e-6);
    }
    for (auto c = static_cast<std::size_t>(dimensions); c < head.size(); ++c)
      ASSERT_EQ(turned[c], head[c]);
  }
}

TEST(LlamaRotary, Layouts) {
  for (const std::int64_t dimensions : {2, 6, 10}) {
    check_layout(dimensions, RotaryPairs::neighbours);
    check_layout(dimensions, RotaryPairs::halves);
  }
}

// Positions farther than any float angle could tell apart: sines and cosines come from doubles.
TEST(LlamaRotary, LargePositionsAreExact) {
  const RotaryTable table(plain_config(2, RotaryPairs::neighbours), 100'001);
  std::vector<float> head{1, 0};
  table.turn(100'000, head.data());
  EXPECT_NEAR(head[0], std::cos(100'000.0), 1e-7);
  EXPECT_NEAR(head[1], std::sin(100'000.0), 1e-7);
}

TEST(LlamaRotary, LinearScalingDividesAngles) {
  RotaryConfig config = plain_config(8, RotaryPairs::neighbours);
  const std::vector<double> plain = llama::rotary_frequencies(config);
  config.scaling = RotaryScaling::linear;
  config.factor = 4;
  const std::vector<double> scaled = llama::rotary_frequencies(config);
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_DOUBLE_EQ(scaled[i], plain[i] / 4);
}

// Frequencies and magnitude by the words of the paper (section 3.2, alpha = 1, beta = 32): a pair
// that turns more than 32 times in the trained context keeps its angle, one that turns less than
// once has it divided, those between are in between and in order.
TEST(LlamaRotary, Yarn) {
  RotaryConfig config = plain_config(64, RotaryPairs::neighbours);
  const std::vector<double> plain = llama::rotary_frequencies(config);
  config.scaling = RotaryScaling::yarn;
  config.factor = 8;
  config.original_context = 2048;
  const std::vector<double> scaled = llama::rotary_frequencies(config);
  int kept = 0, divided = 0;
  double last = 1;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const double turns = 2048 * plain[i] / (2 * std::numbers::pi), share = scaled[i] / plain[i];
    if (turns > 40) {
      EXPECT_DOUBLE_EQ(share, 1) << i;
    }
    if (turns < 0.7) {
      EXPECT_NEAR(share, 0.125, 1e-12) << i;
    }
    EXPECT_LE(share, last) << i;
    last = share;
    kept += share == 1 ? 1 : 0;
    divided += share < 0.1251 ? 1 : 0;
  }
  EXPECT_GT(kept, 5);
  EXPECT_GT(divided, 5);
  EXPECT_LT(kept + divided, 32);
  const RotaryTable table(config, 3);
  std::vector<float> head(64, 0.0F);
  head[0] = 1;
  table.turn(0, head.data());
  EXPECT_NEAR(head[0], 1 + 0.1 * std::log(8.0), 1e-6);
}

// Llama 3.1's rule as its reference code states it, by wavelengths, for Llama-3.1-8B's and other
// constants.
TEST(LlamaRotary, Llama3) {
  RotaryConfig config = plain_config(128, RotaryPairs::halves);
  config.base = 500'000;
  config.scaling = RotaryScaling::llama3;
  config.original_context = 8192;
  for (const auto& [factor, low, high] :
       std::vector<std::array<float, 3>>{{8, 1, 4}, {32, 1, 4}, {4, 2, 3}}) {
    config.factor = factor, config.few_turns = low, config.many_turns = high;
    const std::vector<double> actual = llama::rotary_frequencies(config);
    std::array<int, 3> cases{};
    for (std::size_t i = 0; i < 64; ++i) {
      const double plain = std::pow(500'000.0, -2.0 * static_cast<double>(i) / 128);
      const double wavelength = 2 * std::numbers::pi / plain;
      double expected = plain;
      if (wavelength > 8192.0 / low) {
        expected = plain / factor;
        ++cases[0];
      } else if (wavelength >= 8192.0 / high) {
        const double smooth = (8192 / wavelength - low) / (high - low);
        expected = (1 - smooth) * plain / factor + smooth * plain;
        ++cases[1];
      } else {
        ++cases[2];
      }
      EXPECT_NEAR(actual[i] / expected, 1, 1e-12) << i;
    }
    for (const int count : cases) EXPECT_GT(count, 0);
  }
}

TEST(LlamaRotary, DivisorsDivideAngles) {
  RotaryConfig config = plain_config(6, RotaryPairs::neighbours);
  const std::vector<double> plain = llama::rotary_frequencies(config);
  config.divisors = {1, 2, 8};
  const std::vector<double> divided = llama::rotary_frequencies(config);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_DOUBLE_EQ(divided[i], plain[i] / static_cast<double>(config.divisors[i]));
  config.divisors = {1, 2};
  expect_invalid("rotary divisors: 2 for 3 pairs", [&] { llama::rotary_frequencies(config); });
}

TEST(LlamaRotary, RefusesWhatMakesNoSense) {
  const auto with = [](const auto& change) {
    RotaryConfig config = plain_config(8, RotaryPairs::neighbours);
    change(config);
    return [config] { RotaryTable(config, 4); };
  };
  expect_invalid("rotary base: 0", with([](RotaryConfig& c) { c.base = 0; }));
  expect_invalid("rotary dimensions: 3", with([](RotaryConfig& c) { c.dimensions = 3; }));
  expect_invalid("rotary factor: 0.5", with([](RotaryConfig& c) {
                   c.scaling = RotaryScaling::linear;
                   c.factor = 0.5F;
                 }));
  expect_invalid("YaRN", with([](RotaryConfig& c) {
                   c.scaling = RotaryScaling::yarn;
                   c.factor = 2;
                 }));
}

}  // namespace
}  // namespace subquad::testing
