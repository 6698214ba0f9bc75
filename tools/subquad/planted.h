// A synthetic layer with the structures that real attention shows, planted with known strengths.
#pragma once

#include <cstdint>
#include <vector>

namespace subquad::cli {

struct PlantedOptions {
  std::int64_t n = 4096;
  std::int64_t head_dim = 64;
  std::int64_t heads = 4;
  std::int64_t kv_heads = 0;   // 0: as many as heads
  std::int64_t clusters = 32;  // groups of queries and keys with a common direction
  std::int64_t sinks = 4;      // first keys, which every query likes
  std::int64_t band = 64;      // distance at which the liking for near keys fades
  std::uint64_t seed = 0;
};

// Row-major (heads, n, head_dim) and (kv_heads, n, head_dim), to be used with scale
// 1/sqrt(head_dim). Expected score of query i and key j: 5 where both are in the same cluster, plus
// 5 exp(-(i-j)^2 / (2 band^2)), plus 8 for the sinks, plus noise of about unit variance.
// A value is its cluster's Gaussian centre plus noise of a quarter of its variance; sinks' values
// are small.
struct PlantedLayer {
  std::vector<float> query, key, value;
};
PlantedLayer planted_layer(const PlantedOptions& options);

}  // namespace subquad::cli
