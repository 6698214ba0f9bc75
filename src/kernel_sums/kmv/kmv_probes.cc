#include "kernel_sums/kmv/kmv_probes.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/threads.h"

namespace subquad {
namespace {

constexpr float kNothing = 206;  // squared bandwidths: the kernel is below the least float

// One query with every key.
void meet_all(const KernelHead& head, const std::vector<double>& moments, std::int64_t row,
              double* sums, DistanceProfile& profile) {
  for (std::int64_t j = 0; j < head.num_keys; ++j) {
    const float square = squared_distance(head, head.query(row), j);
    const double kernel = square < kNothing ? std::exp(-0.5 * double{square}) : 0;
    profile.add(square, moments[static_cast<std::size_t>(j)] * kernel * kernel);
    for (std::int64_t c = 0; kernel > 0 && c < head.channels; ++c)
      sums[c] += kernel * double{head.values[j * head.channels + c]};
  }
}

// x_j^2 / p_j for the keys of T, 0 for others.
std::vector<double> draw_moments(const ColumnSplit& columns) {
  std::vector<double> moments(columns.squares.size());
  for (const std::int32_t j : columns.sampled)
    moments[static_cast<std::size_t>(j)] =
        columns.squares[static_cast<std::size_t>(j)] / columns.chance(j);
  return moments;
}

}  // namespace

float squared_distance(const KernelHead& head, const float* query, std::int64_t key) {
  const float* k = head.keys.data() + key * head.dim;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t c = 0; c < head.dim; ++c) sum += (query[c] - k[c]) * (query[c] - k[c]);
  // scale^2 = log2(e) / sigma^2
  return sum * static_cast<float>(one_scale(head) * one_scale(head) * std::numbers::ln2);
}

KmvProbes probe_queries(const KernelHead& head, const ColumnSplit& columns, std::int64_t count,
                        const Rng& rng, int threads) {
  KmvProbes probes;
  count = std::min(count, head.num_queries);
  for (std::int64_t p = 0; p < count; ++p) {
    const std::int64_t begin = head.num_queries * p / count;
    const std::int64_t end = head.num_queries * (p + 1) / count;
    probes.rows.push_back(begin +
                          rng.below(end - begin, Purpose::probe, 0, static_cast<std::uint32_t>(p)));
  }
  probes.sums.resize(static_cast<std::size_t>(count * head.channels));
  const std::vector<double> moments = draw_moments(columns);
  std::vector<DistanceProfile> profiles(static_cast<std::size_t>(count));
  parallel_for(threads, count, [&](std::int64_t p) {
    meet_all(head, moments, probes.rows[static_cast<std::size_t>(p)],
             probes.sums.data() + p * head.channels, profiles[static_cast<std::size_t>(p)]);
  });
  for (const DistanceProfile& profile : profiles) probes.profile.merge(profile);
  return probes;
}

ProbeErrors compare(const KmvProbes& probes, const float* out, std::int64_t channels) {
  ProbeErrors sum;
  for (std::size_t p = 0; p < probes.rows.size(); ++p)
    for (std::int64_t c = 0; c < channels; ++c) {
      const double exact =
          probes.sums[p * static_cast<std::size_t>(channels) + static_cast<std::size_t>(c)];
      const double error = out[probes.rows[p] * channels + c] - exact;
      sum.error += error * error;
      sum.exact += exact * exact;
    }
  return sum;
}

}  // namespace subquad
