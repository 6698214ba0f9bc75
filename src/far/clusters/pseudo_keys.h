// The clusters of a head's keys, each as one key at its mean with its summed values: where every
// far field starts.
#pragma once

#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "index/key_clusters.h"

namespace subquad {

// Keys in memory: `count` rows of `dim` and of `channels`, dense.
struct KeyRows {
  const float* keys;
  const float* values;
  std::int64_t count, dim, channels;
};

struct PseudoKeys {
  Partition keys;
  std::vector<float> means;  // R x dim
  std::vector<float> sums;   // R x channels: of the members' values, summed in double

  std::int64_t size() const { return keys.size(); }
  float count(std::int64_t cluster) const {
    return static_cast<float>(keys.members(cluster).count);
  }

  // At most `clusters` of them. O(n D log R) with a tree.
  static PseudoKeys build(const KeyRows& rows, std::int64_t clusters, Clustering how,
                          const Rng& rng, int threads);
};

}  // namespace subquad
