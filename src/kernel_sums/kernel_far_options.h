// The checked parameters of far(..), see far_sums.h.
#pragma once

#include <cstdint>

#include "index/key_clusters.h"
#include "parts/spec.h"

namespace subquad {

// What a pseudo key's kernel is: the keys' own, theirs widened by the cluster's variance, or
// whichever of the two fits the probes better.
enum class FarOrder : std::uint8_t { best, zero, two };

struct KernelFarOptions {
  std::int64_t clusters, fit, group;
  FarOrder order;
  double open, error, ridge, margin;
  Clustering clustering;
};

KernelFarOptions read_kernel_far_options(const SpecPart& spec);

}  // namespace subquad
