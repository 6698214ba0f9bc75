#include "kernel_sums/kernel_clusters.h"

#include <numbers>

#include "core/threads.h"

namespace subquad {
namespace {

// trace(S_c) / D in units of sigma^2.
std::vector<float> spread_of(const KernelHead& head, const Partition& keys,
                             const std::vector<float>& means, int threads) {
  std::vector<float> spread(static_cast<std::size_t>(keys.size()));
  parallel_for(threads, keys.size(), [&](std::int64_t c) {
    const IndexList members = keys.members(c);
    const float* mean = means.data() + c * head.dim;
    double square = 0;
    for (std::int64_t i = 0; i < members.count; ++i)
      for (std::int64_t d = 0; d < head.dim; ++d) {
        const double offset = (double{head.keys[members[i] * head.dim + d]} - double{mean[d]}) *
                              double{head.scales[static_cast<std::size_t>(d)]};
        square += offset * offset;
      }
    spread[static_cast<std::size_t>(c)] = static_cast<float>(
        square / (std::numbers::log2e * static_cast<double>(members.count * head.dim)));
  });
  return spread;
}

}  // namespace

KernelClusters KernelClusters::build(const KernelHead& head, std::int64_t count, Clustering how,
                                     const Rng& rng, int threads) {
  return {PseudoKeys::build(head.key_rows(), count, how, rng, threads), {}};
}

void KernelClusters::measure_spread(const KernelHead& head, int threads) {
  spread = spread_of(head, keys, means, threads);
}

}  // namespace subquad
