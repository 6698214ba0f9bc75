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

void ApproxDGradient::set_times(const IndexList& keys, const std::vector<std::int64_t>& times,
                                std::int64_t num_keys) {
  log2_times_.assign(static_cast<std::size_t>(num_keys), 0.0f);
  for (std::int64_t j = 0; j < keys.count; ++j)
    log2_times_[static_cast<std::size_t>(keys[j])] = static_cast<float>(std::log2(
        static_cast<double>(std::max<std::int64_t>(times[static_cast<std::size_t>(j)], 1))));
}

void ApproxDGradient::remove(const IndexList& rows, const IndexList& keys, float* scores,
                             std::int64_t stride, FilterScratch&) const {
  for (std::int64_t r = 0; r < rows.count; ++r) {
    const Row& state = at(rows[r]);
    float* row = scores + r * stride;
    for (std::int64_t c = 0; c < keys.count; ++c) {
      const float times =
          log2_times_.empty() ? 0.0f : log2_times_[static_cast<std::size_t>(keys[c])];
      if (state.raised || row[c] > state.limit + times)
        row[c] = -std::numeric_limits<float>::infinity();
    }
  }
}

}  // namespace subquad
