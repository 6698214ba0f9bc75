#include "llama/rotary_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "ops/rotary.h"
#include "subquad/error.h"

namespace subquad::llama {
namespace {

void check(const RotaryConfig& config) {
  if (!(config.base > 0 && std::isfinite(config.base)))
    throw_invalid(fmt::format("rotary base: {} is not above 0", config.base));
  if (config.dimensions < 2 || config.dimensions % 2 != 0)
    throw_invalid(
        fmt::format("rotary dimensions: {} is no even number above 0", config.dimensions));
  if (!config.divisors.empty() && std::ssize(config.divisors) != config.dimensions / 2)
    throw_invalid(fmt::format("rotary divisors: {} for {} pairs", config.divisors.size(),
                              config.dimensions / 2));
  if (config.scaling == RotaryScaling::none) return;
  if (!(config.factor >= 1 && std::isfinite(config.factor)))
    throw_invalid(fmt::format("rotary factor: {} is below 1", config.factor));
  if (config.scaling == RotaryScaling::yarn && config.original_context < 1)
    throw_invalid("rotary scaling: YaRN needs the context that the model was trained on");
  if (config.scaling == RotaryScaling::llama3 &&
      !(config.original_context >= 1 && config.few_turns < config.many_turns))
    throw_invalid("rotary scaling: llama3 needs a trained context and turns in order");
}

// YaRN's ramp over pairs: 0 keeps a frequency, 1 divides it by the factor.
class Ramp {
 public:
  explicit Ramp(const RotaryConfig& config) {
    low_ = std::max(std::floor(pair_with_turns(config, 32)), 0.0);
    high_ =
        std::min(std::ceil(pair_with_turns(config, 1)), static_cast<double>(config.dimensions - 1));
    if (low_ == high_) high_ += 0.001;
  }
  double operator()(std::int64_t pair) const {
    return std::clamp((static_cast<double>(pair) - low_) / (high_ - low_), 0.0, 1.0);
  }

 private:
  // The pair, as a real number, that turns `turns` times in the trained context.
  static double pair_with_turns(const RotaryConfig& config, double turns) {
    const double length = static_cast<double>(config.original_context);
    return static_cast<double>(config.dimensions) *
           std::log(length / (turns * 2 * std::numbers::pi)) / (2 * std::log(config.base));
  }

  double low_, high_;
};

// Llama 3.1's share of an angle that is kept.
double llama3_share(const RotaryConfig& config, double frequency) {
  const double turns =
      static_cast<double>(config.original_context) * frequency / (2 * std::numbers::pi);
  const double few = config.few_turns, many = config.many_turns;
  const double kept = std::clamp((turns - few) / (many - few), 0.0, 1.0);
  return kept + (1 - kept) / config.factor;
}

// What YaRN multiplies queries and keys by.
double yarn_magnitude(const RotaryConfig& config) {
  return config.scaling == RotaryScaling::yarn ? 1 + 0.1 * std::log(config.factor) : 1;
}

}  // namespace

std::vector<double> rotary_frequencies(const RotaryConfig& config) {
  check(config);
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < config.dimensions / 2; ++i)
    frequencies.push_back(std::pow(
        config.base, -2 * static_cast<double>(i) / static_cast<double>(config.dimensions)));
  for (std::size_t i = 0; i < config.divisors.size(); ++i)
    frequencies[i] /= static_cast<double>(config.divisors[i]);
  if (config.scaling == RotaryScaling::linear)
    for (double& frequency : frequencies) frequency /= config.factor;
  if (config.scaling == RotaryScaling::llama3)
    for (double& frequency : frequencies) frequency *= llama3_share(config, frequency);
  if (config.scaling == RotaryScaling::yarn) {
    const Ramp ramp(config);
    for (std::int64_t i = 0; i < std::ssize(frequencies); ++i)
      frequencies[static_cast<std::size_t>(i)] *= 1 - ramp(i) + ramp(i) / config.factor;
  }
  return frequencies;
}

RotaryTable::RotaryTable(const RotaryConfig& config, std::int64_t positions)
    : pairs_(config.dimensions / 2), layout_(config.pairs) {
  const std::vector<double> frequencies = rotary_frequencies(config);
  const double magnitude = yarn_magnitude(config);
  for (std::int64_t p = 0; p < positions; ++p)
    for (const double frequency : frequencies) {
      const double angle = static_cast<double>(p) * frequency;
      cos_.push_back(static_cast<float>(magnitude * std::cos(angle)));
      sin_.push_back(static_cast<float>(magnitude * std::sin(angle)));
    }
}

void RotaryTable::turn(std::int64_t position, float* head) const {
  const float *cos = cos_.data() + position * pairs_, *sin = sin_.data() + position * pairs_;
  if (layout_ == RotaryPairs::neighbours) {
    ops::turn_neighbours(cos, sin, pairs_, head);
  } else {
    ops::turn_halves(cos, sin, pairs_, head);
  }
}

}  // namespace subquad::llama
