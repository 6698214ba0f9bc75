// Points in clusters whose Gaussian kernels satisfy KMV's Assumption A, and the vectors x that its
// theorem allows.
#pragma once

#include <cstdint>

#include "support/kernel_clouds.h"

namespace subquad::testing {

enum class PlantedX : std::uint8_t { normal, one_hot, ones, heavy_tailed };
inline constexpr PlantedX all_planted_x[] = {PlantedX::normal, PlantedX::one_hot, PlantedX::ones,
                                             PlantedX::heavy_tailed};

struct PlantedShape {
  std::int64_t keys = 1, dim = 1, cluster = 1, channels = 1;
};

// Clusters of `cluster` points each, kernels of about 0.8 inside; between clusters many kernels of
// small size, the smaller the larger `spread`. Queries are the
// keys. Bandwidth 1.
KernelCloud planted_kernels(const PlantedShape& shape, PlantedX x, std::uint64_t seed,
                            double spread = 0.38);

}  // namespace subquad::testing
