// Which random words clustering takes: purpose `cluster`, one row of draws for each use.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"

namespace subquad {

// Tree nodes have rows of their own, below these: the node's number in the binary heap.
enum class ClusterDraw : std::uint32_t { scale = 0xFFFFFFF0u, centers, lloyd, plane };

// `count` <= ids.size() distinct ids in their order: one out of each of `count` equal runs.
inline std::vector<std::int32_t> stratified_sample(std::span<const std::int32_t> ids,
                                                   std::int64_t count, const Rng& rng,
                                                   std::uint32_t row) {
  const auto size = static_cast<std::int64_t>(ids.size());
  std::vector<std::int32_t> sample(static_cast<std::size_t>(count));
  for (std::int64_t s = 0; s < count; ++s) {
    const std::int64_t begin = size * s / count, end = size * (s + 1) / count;
    const std::int64_t pick =
        begin + rng.below(end - begin, Purpose::cluster, row, static_cast<std::uint32_t>(s));
    sample[static_cast<std::size_t>(s)] = ids[static_cast<std::size_t>(pick)];
  }
  return sample;
}

}  // namespace subquad
