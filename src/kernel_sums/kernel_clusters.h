// Clusters of a head's keys as a few pseudo keys.
#pragma once

#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "far/clusters/pseudo_keys.h"
#include "kernel_sums/kernel_block.h"
#include "kernel_sums/kernel_head.h"

namespace subquad {

struct KernelClusters : PseudoKeys {
  std::vector<float> spread;  // order 2: members' mean square deviation a channel, / sigma^2

  // The pseudo keys with given values (R x C).
  KernelSource with(const std::vector<float>& values) const {
    return {means.data(), values.data(), spread.empty() ? nullptr : spread.data()};
  }

  // At least one key, at most `count` clusters of order 0.
  static KernelClusters build(const KernelHead& head, std::int64_t count, Clustering how,
                              const Rng& rng, int threads);
  // Makes them order 2.
  void measure_spread(const KernelHead& head, int threads);
};

}  // namespace subquad
