#include "light/sampled/row_norm_sample.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/sampling.h"
#include "core/threads.h"

namespace subquad {
namespace {

// The counter words of the ways to draw, in each stream.
constexpr std::uint32_t kIndependent = 0, kPivotal = 1, kCounted = 2, kSingly = 3, kWays = 4;
// Stream 0 keeps the first two words; the others come in blocks after them.
constexpr std::uint32_t way_of(std::uint32_t stream, std::uint32_t way) {
  return stream * kWays + way;
}

double unit_draw(const Rng& rng, std::uint32_t way, std::int64_t draw) {
  const auto bits = rng.bits(Purpose::value_row, way, static_cast<std::uint32_t>(draw));
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

// Appends the keys in order; key j is expected norms[j] * per_norm times.
void take(RowNormSample& sample, std::vector<std::size_t>& keys, std::span<const double> norms,
          double per_norm) {
  std::sort(keys.begin(), keys.end());
  for (const std::size_t j : keys) {
    sample.keys.push_back(static_cast<std::int32_t>(j));
    sample.weights.push_back(1 / (norms[j] * per_norm));
  }
}

// More draws than keys: how often each comes up.
void draw_counts(RowNormSample& sample, std::span<const double> norms, std::int64_t m,
                 const Rng& rng, std::uint32_t stream) {
  const double total = std::accumulate(norms.begin(), norms.end(), 0.0);
  if (!(total > 0)) return;
  sample.counts.assign(sample.keys.size(), 1);
  const std::vector<std::int64_t> counts =
      multinomial_counts(norms, m, rng, Purpose::value_row, way_of(stream, kCounted));
  std::vector<std::size_t> drawn;
  for (std::size_t j = 0; j < counts.size(); ++j) {
    if (counts[j] == 0) continue;
    drawn.push_back(j);
    sample.counts.push_back(counts[j]);
  }
  take(sample, drawn, norms, static_cast<double>(m) / total);
}

void draw_independent(RowNormSample& sample, std::span<const double> norms, std::int64_t m,
                      const Rng& rng, std::uint32_t stream) {
  std::vector<double> sums(norms.size());
  std::partial_sum(norms.begin(), norms.end(), sums.begin());
  if (sums.empty() || sums.back() <= 0) return;
  const auto last = std::lower_bound(sums.begin(), sums.end(), sums.back()) - sums.begin();
  std::vector<std::size_t> drawn;
  for (std::int64_t i = 0; i < m; ++i) {
    const double place = unit_draw(rng, way_of(stream, kIndependent), i) * sums.back();
    const auto at = std::upper_bound(sums.begin(), sums.end(), place) - sums.begin();
    drawn.push_back(static_cast<std::size_t>(std::min(at, last)));
  }
  take(sample, drawn, norms, static_cast<double>(m) / sums.back());
}

// The keys whose share of m draws would reach 1, ascending: as many of the largest norms as leave
// every other key less than 1.
std::vector<std::size_t> certain_keys(std::span<const double> norms, std::int64_t m) {
  std::vector<std::size_t> order(norms.size());
  std::iota(order.begin(), order.end(), 0);
  const auto top = order.begin() + std::min(m, static_cast<std::int64_t>(order.size()));
  std::partial_sort(order.begin(), top, order.end(), [&](std::size_t a, std::size_t b) {
    return norms[a] > norms[b] || (norms[a] == norms[b] && a < b);
  });
  std::vector<double> rest(static_cast<std::size_t>(top - order.begin()) + 1, 0.0);
  for (auto it = top; it != order.end(); ++it) rest.back() += norms[*it];
  for (std::size_t k = rest.size() - 1; k > 0; --k) rest[k - 1] = rest[k] + norms[order[k - 1]];
  std::size_t count = 0;
  while (count + 1 < rest.size() && norms[order[count]] > 0 &&
         norms[order[count]] * static_cast<double>(rest.size() - 1 - count) >= rest[count])
    ++count;
  order.resize(count);
  std::sort(order.begin(), order.end());
  return order;
}

// Ordered pivotal sampling: two keys meet, and their probabilities go to one of them as far as it
// can hold them. One key a unit of probability comes out, each as often as its probability says.
void draw_pivotal(RowNormSample& sample, std::span<const double> norms, double per_norm,
                  const Rng& rng, std::uint32_t stream) {
  constexpr double kSure = 1 - 1e-9;  // sums to 1 but for rounding
  std::vector<std::size_t> drawn;
  std::size_t open = 0;
  double held = 0;  // the probability of key `open`
  std::int64_t population = 0;
  for (std::size_t j = 0; j < norms.size(); ++j) {
    double p = norms[j] * per_norm;
    if (p <= 0) continue;
    ++population;
    const double both = held + p,
                 u = unit_draw(rng, way_of(stream, kPivotal), static_cast<std::int64_t>(j));
    if (both < kSure) {
      if (u * both < p) open = j;
      held = both;
      continue;
    }
    const bool newer = u * (2 - both) < 1 - held;  // takes the whole unit
    drawn.push_back(newer ? j : open);
    open = newer ? open : j;
    held = both - 1 > 0 ? both - 1 : 0;
  }
  if (held > 0.5) drawn.push_back(open);
  take(sample, drawn, norms, per_norm);
  // Terms weight * value: key j adds |value|^2 (1 - p) / p to the variance, that is 1 - p over
  // norms.
  sample.correction = 1 - static_cast<double>(drawn.size()) / static_cast<double>(population);
}

}  // namespace

RowNormSample sample_by_row_norm(std::span<const double> squared_norms, std::int64_t m,
                                 bool replace, const Rng& rng, std::uint32_t stream) {
  RowNormSample sample;
  std::vector<double> norms(squared_norms.begin(), squared_norms.end());
  std::vector<std::size_t> certain;
  for (std::size_t j = 0; j < norms.size(); ++j) {
    if (std::isfinite(norms[j])) continue;
    certain.push_back(j);
    norms[j] = 0;
  }
  std::int64_t left = m;
  if (!replace) {
    const std::vector<std::size_t> largest = certain_keys(norms, m);
    left -= static_cast<std::int64_t>(largest.size());
    for (const std::size_t j : largest) norms[j] = 0;
    const auto middle = certain.insert(certain.end(), largest.begin(), largest.end());
    std::inplace_merge(certain.begin(), middle, certain.end());
  }
  sample.keys.assign(certain.begin(), certain.end());
  sample.weights.assign(certain.size(), 1.0);
  sample.certain = static_cast<std::int64_t>(certain.size());
  if (replace && m > static_cast<std::int64_t>(norms.size())) {
    draw_counts(sample, norms, m, rng, stream);
  } else if (replace) {
    draw_independent(sample, norms, m, rng, stream);
  } else {
    const double total = std::accumulate(norms.begin(), norms.end(), 0.0);
    if (total > 0) draw_pivotal(sample, norms, static_cast<double>(left) / total, rng, stream);
  }
  return sample;
}

RowNormSample sample_singly(std::span<const double> squared_norms, std::int64_t m, double total,
                            const Rng& rng, std::uint32_t stream, std::int64_t first) {
  RowNormSample certain, drawn;
  for (std::size_t j = 0; j < squared_norms.size(); ++j) {
    const double p = squared_norms[j] * static_cast<double>(m) / total;
    if (squared_norms[j] == 0) continue;
    RowNormSample& part = p < 1 ? drawn : certain;  // NaN is certain too
    if (p < 1 && unit_draw(rng, way_of(stream, kSingly), first + static_cast<std::int64_t>(j)) >= p)
      continue;
    part.keys.push_back(static_cast<std::int32_t>(j));
    part.weights.push_back(p < 1 ? 1 / p : 1.0);
  }
  certain.certain = static_cast<std::int64_t>(certain.keys.size());
  certain.keys.insert(certain.keys.end(), drawn.keys.begin(), drawn.keys.end());
  certain.weights.insert(certain.weights.end(), drawn.weights.begin(), drawn.weights.end());
  return certain;
}

std::vector<double> squared_row_norms(const kernels::RowSource& values, int threads) {
  constexpr std::int64_t kRows = 256;
  std::vector<double> norms(static_cast<std::size_t>(values.count));
  parallel_for(threads, (values.count + kRows - 1) / kRows, [&](std::int64_t block) {
    const std::int64_t begin = block * kRows, count = std::min(kRows, values.count - begin);
    std::vector<float> rows(static_cast<std::size_t>(count * values.width));
    kernels::load_rows(values.slice(begin, count), 1.0f, rows.data(), values.width, values.width);
    for (std::int64_t r = 0; r < count; ++r) {
      const float* row = rows.data() + r * values.width;
      norms[static_cast<std::size_t>(begin + r)] =
          std::accumulate(row, row + values.width, 0.0,
                          [](double sum, float x) { return sum + double{x} * double{x}; });
    }
  });
  return norms;
}

}  // namespace subquad
