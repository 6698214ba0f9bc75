#include "far/clusters/pseudo_keys.h"

#include <algorithm>

#include "core/threads.h"

namespace subquad {
namespace {

std::vector<float> sum_values(const KeyRows& rows, const Partition& keys, int threads) {
  std::vector<float> sums(static_cast<std::size_t>(keys.size() * rows.channels));
  parallel_for(threads, keys.size(), [&](std::int64_t c) {
    std::vector<double> sum(static_cast<std::size_t>(rows.channels));
    const IndexList members = keys.members(c);
    for (std::int64_t i = 0; i < members.count; ++i) {
      const float* value = rows.values + members[i] * rows.channels;
      for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += double{value[j]};
    }
    float* out = sums.data() + c * rows.channels;
    for (const double s : sum) *out++ = static_cast<float>(s);
  });
  return sums;
}

}  // namespace

PseudoKeys PseudoKeys::build(const KeyRows& rows, std::int64_t clusters, Clustering how,
                             const Rng& rng, int threads) {
  PseudoKeys result;
  result.keys = cluster_points(rows.keys, rows.count, rows.dim, clusters, how, rng, threads);
  result.means = cluster_means(result.keys, rows.keys, rows.dim, threads);
  result.sums = sum_values(rows, result.keys, threads);
  return result;
}

}  // namespace subquad
