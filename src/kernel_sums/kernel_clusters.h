// Clusters of a head's keys as a few pseudo keys.
#pragma once

#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "kernel_sums/kernel_block.h"
#include "kernel_sums/kernel_head.h"
#include "index/key_clusters.h"

namespace subquad {

struct KernelClusters {
  Partition keys;
  std::vector<float> means;   // R x D
  std::vector<float> sums;    // R x C: of the members' values
  std::vector<float> spread;  // order 2: members' mean square deviation a channel, / sigma^2

  std::int64_t size() const { return keys.size(); }
  // The pseudo keys with given values (R x C).
  KernelSource with(const std::vector<float>& values) const {
    return {means.data(), values.data(), spread.empty() ? nullptr : spread.data()};
  }
  // Members of the listed clusters, one cluster after the other.
  std::vector<std::int32_t> members(const std::vector<std::int32_t>& clusters) const;

  // At least one key, at most `count` clusters of order 0. O(n D log R) with a tree.
  static KernelClusters build(const KernelHead& head, std::int64_t count, Clustering how,
                              const Rng& rng, int threads);
  // Makes them order 2.
  void measure_spread(const KernelHead& head, int threads);
};

}  // namespace subquad
