// How much worse than with exact attention a model predicts, along the text: inline SVG.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace subquad::cli {

struct LossCurve {
  std::string name;          // shown where the pointer rests
  std::vector<double> nats;  // by stretch of the text: mean of -log p, less exact's
};

// Means of `values` over `stretches` runs of equal length, to one value; fewer where there are
// fewer values.
std::vector<double> stretch_means(std::span<const double> values, std::size_t stretches);

// Positions below, from 0 to `tokens`; each curve in its colour (CSS classes s0 to s7 by place in
// `curves`), with its number, from 1, where it ends. A horizontal line marks exact attention.
std::string loss_svg(const std::vector<LossCurve>& curves, std::int64_t tokens);

}  // namespace subquad::cli
