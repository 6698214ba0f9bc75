#include "kernel_sums/kernel_clusters.h"

#include <numbers>

#include "core/threads.h"

namespace subquad {
namespace {

std::vector<float> sum_values(const KernelHead& head, const Partition& keys, int threads) {
  const std::int64_t channels = head.channels;
  std::vector<float> sums(static_cast<std::size_t>(keys.size() * channels));
  parallel_for(threads, keys.size(), [&](std::int64_t c) {
    std::vector<double> sum(static_cast<std::size_t>(channels));
    const IndexList members = keys.members(c);
    for (std::int64_t i = 0; i < members.count; ++i) {
      const float* value = head.values.data() + members[i] * channels;
      for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += double{value[j]};
    }
    float* out = sums.data() + c * channels;
    for (const double s : sum) *out++ = static_cast<float>(s);
  });
  return sums;
}

// trace(S_c) / D in units of sigma^2.
std::vector<float> spread_of(const KernelHead& head, const Partition& keys,
                             const std::vector<float>& means, int threads) {
  std::vector<float> spread(static_cast<std::size_t>(keys.size()));
  const double unit = head.scale * head.scale / std::numbers::log2e;
  parallel_for(threads, keys.size(), [&](std::int64_t c) {
    const IndexList members = keys.members(c);
    const float* mean = means.data() + c * head.dim;
    double square = 0;
    for (std::int64_t i = 0; i < members.count; ++i)
      for (std::int64_t d = 0; d < head.dim; ++d) {
        const double offset = double{head.keys[members[i] * head.dim + d]} - double{mean[d]};
        square += offset * offset;
      }
    spread[static_cast<std::size_t>(c)] =
        static_cast<float>(unit * square / static_cast<double>(members.count * head.dim));
  });
  return spread;
}

}  // namespace

std::vector<std::int32_t> KernelClusters::members(const std::vector<std::int32_t>& clusters) const {
  std::vector<std::int32_t> ids;
  for (const std::int32_t c : clusters) {
    const IndexList list = keys.members(c);
    ids.insert(ids.end(), list.ids, list.ids + list.count);
  }
  return ids;
}

KernelClusters KernelClusters::build(const KernelHead& head, std::int64_t count, Clustering how,
                                     const Rng& rng, int threads) {
  KernelClusters result;
  result.keys = cluster_points(head.keys.data(), head.num_keys, head.dim, count, how, rng, threads);
  result.means = cluster_means(result.keys, head.keys.data(), head.dim, threads);
  result.sums = sum_values(head, result.keys, threads);
  return result;
}

void KernelClusters::measure_spread(const KernelHead& head, int threads) {
  spread = spread_of(head, keys, means, threads);
}

}  // namespace subquad
