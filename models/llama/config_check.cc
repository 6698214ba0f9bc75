#include "llama/config_check.h"

#include <cmath>

#include <fmt/format.h>

#include "subquad/error.h"

namespace subquad::llama {
namespace {

void check_range(const std::string& label, const char* field, double value, double low,
                 double high) {
  if (!(value >= low && value <= high))
    throw_invalid(fmt::format("{}: {} {} is outside {} to {}", label, field, value, low, high));
}

void check_rotary(const RotaryConfig& rotary, std::int64_t head_dim, const std::string& label) {
  if (rotary.dimensions < 2 || rotary.dimensions > head_dim || rotary.dimensions % 2 != 0)
    throw_invalid(fmt::format("{}: rotary dimensions {} must be even, from 2 to the {} of a head",
                              label, rotary.dimensions, head_dim));
  check_range(label, "rotary base", rotary.base, 1e-3, 1e15);
  check_range(label, "rotary scaling factor", rotary.factor, 1, 1e6);
  if (rotary.scaling == RotaryScaling::llama3) {
    check_range(label, "low_freq_factor", rotary.few_turns, 1e-6, 1e6);
    check_range(label, "high_freq_factor", rotary.many_turns, 1e-6, 1e6);
    if (rotary.few_turns >= rotary.many_turns)
      throw_invalid(fmt::format("{}: low_freq_factor {} must be below high_freq_factor {}", label,
                                rotary.few_turns, rotary.many_turns));
  }
  if (rotary.scaling == RotaryScaling::yarn || rotary.scaling == RotaryScaling::llama3)
    check_range(label, "original context", static_cast<double>(rotary.original_context), 1, 1e12);
}

}  // namespace

// The bounds keep every product of two extents and the layers below 2^63.
void check_config(const LlamaConfig& config, const std::string& label) {
  const auto check = [&](const char* field, std::int64_t value, double high) {
    check_range(label, field, static_cast<double>(value), 1, high);
  };
  check("number of layers", config.layers, 4096);
  check("width", config.width, 1 << 20);
  check("feed-forward width", config.hidden, 1 << 22);
  check("number of heads", config.heads, 1 << 16);
  check("number of key/value heads", config.kv_heads, 1 << 16);
  check("head dimension", config.head_dim, 1 << 16);
  check("context", config.context, 1e12);
  if (config.vocabulary != 0) check("vocabulary", config.vocabulary, 1 << 24);
  if (config.heads % config.kv_heads != 0)
    throw_invalid(fmt::format("{}: {} heads do not divide among {} key/value heads", label,
                              config.heads, config.kv_heads));
  check_range(label, "norm epsilon", config.norm_epsilon, 0, 1);
  check_rotary(config.rotary, config.head_dim, label);
}

}  // namespace subquad::llama
