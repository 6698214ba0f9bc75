#include "light/sampled/approx_d_gradient.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace subquad {

void ApproxDGradient::set_tau(std::vector<Shared> tau, std::vector<double> log2_floor) {
  tau_ = std::move(tau);
  log2_floor_ = std::move(log2_floor);
}

float ApproxDGradient::heavy_factor(std::int64_t row) const {
  return at(row).raised ? 1.0f : 1.0f + at(row).capped;
}

double ApproxDGradient::pull(std::int64_t row, double log2_sum) const {
  const Row& state = at(row);
  const double floor = log2_floor_[static_cast<std::size_t>(row % group_)];
  return (state.raised ? 1.0 : double{state.capped}) * std::exp2(floor - log2_sum);
}

void ApproxDGradient::remove(const IndexList& rows, const IndexList& keys, float* scores,
                             std::int64_t stride, FilterScratch&) const {
  for (std::int64_t r = 0; r < rows.count; ++r) {
    const Row& state = at(rows[r]);
    float* row = scores + r * stride;
    std::replace_if(
        row, row + keys.count, [&](float score) { return state.raised || score > state.limit; },
        -std::numeric_limits<float>::infinity());
  }
}

}  // namespace subquad
