// The checked parameters of multipole(..), see multipole.h.
#pragma once

#include <cstdint>

#include "far/clusters/far_clusters.h"
#include "parts/spec.h"

namespace subquad {

struct MultipoleOptions {
  FarShapeOptions shape;
  std::int64_t fit, group, chunk, residual;
  double open, error, ridge, margin;
  bool always;
};

MultipoleOptions read_multipole_options(const SpecPart& spec);

}  // namespace subquad
