// The methods by name: the only list of them.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "density/density_store.h"
#include "density/estimator.h"
#include "parts/spec.h"

namespace subquad {

struct DensityMethod {
  const char* name;
  std::unique_ptr<DensityEstimator> (*make)(const SpecPart& spec, const DensityStore& store,
                                            const DensityTarget& target, int threads);
};

std::span<const DensityMethod> density_methods();

// Error (invalid_argument) that shows the spec and the names there are. `store`: not empty.
std::unique_ptr<DensityEstimator> make_density_method(std::string_view spec,
                                                      const DensityStore& store,
                                                      const DensityTarget& target, int threads);

}  // namespace subquad
